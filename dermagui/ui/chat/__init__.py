"""The page Chat: questions and answers about pictures, with a model on this computer."""
