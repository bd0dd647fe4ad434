"""The demo: phantom lesions without patients, a rehearsal server that counts, and the tour through both."""
