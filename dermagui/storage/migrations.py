"""The shape of the database, as a list of small named steps. Each runs once, in a transaction.

A step is never changed after a release; a change is a new step at the end.
"""

from __future__ import annotations

import secrets

from dermagui.storage.engine import Database, Migrations
from dermagui.storage.moments import new_uid, now

migrations = Migrations("dermagui")


@migrations()
def m001_project(db: Database) -> None:
    """Facts of the project itself, and the people who work in it."""
    db.conn.execute("CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    facts = {"uid": new_uid(), "created_at": now(), "secret": secrets.token_hex(32), "search_watermark": "0"}
    db.conn.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
    db.conn.execute(
        """CREATE TABLE people (
            uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, device TEXT NOT NULL,
            created_at TEXT NOT NULL)"""
    )
    db.conn.execute(
        """CREATE TABLE acceptances (
            uid TEXT PRIMARY KEY, person_uid TEXT NOT NULL REFERENCES people(uid), terms TEXT NOT NULL,
            terms_date TEXT NOT NULL, sha256 TEXT NOT NULL, at TEXT NOT NULL,
            device TEXT NOT NULL, app_version TEXT NOT NULL)"""
    )
    db.conn.execute(
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL,
            pid INTEGER, process_started REAL, started_at TEXT NOT NULL, finished_at TEXT,
            figures TEXT NOT NULL DEFAULT '{}', error TEXT, not_before TEXT)"""
    )
    db.conn.execute("CREATE UNIQUE INDEX jobs_one_running ON jobs(kind) WHERE state = 'running'")


@migrations()
def m002_library(db: Database) -> None:
    """Sources, their files, the images in them, and what is said about them."""
    for statement in (
        """CREATE TABLE sources (
            id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, root TEXT NOT NULL,
            root_bytes BLOB NOT NULL UNIQUE, licence TEXT NOT NULL, attribution TEXT NOT NULL DEFAULT '',
            non_commercial INTEGER NOT NULL DEFAULT 0, may_leave INTEGER NOT NULL DEFAULT 0,
            created_at TEXT NOT NULL)""",
        """CREATE TABLE cases (
            id INTEGER PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES sources(id),
            patient TEXT NOT NULL DEFAULT '', lesion TEXT NOT NULL DEFAULT '', visit TEXT NOT NULL DEFAULT '',
            UNIQUE (source_id, patient, lesion, visit))""",
        """CREATE TABLE files (
            id INTEGER PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES sources(id),
            path TEXT NOT NULL, path_bytes BLOB NOT NULL,
            size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
            state TEXT NOT NULL, sha256 TEXT, error TEXT, format TEXT, orientation INTEGER,
            frames INTEGER NOT NULL DEFAULT 0, personal TEXT NOT NULL DEFAULT '[]',
            case_id INTEGER REFERENCES cases(id), first_seen_at TEXT NOT NULL,
            UNIQUE (source_id, path_bytes))""",
        "CREATE INDEX files_sha256 ON files(sha256, state, source_id)",
        "CREATE INDEX files_case ON files(case_id)",
        # What a file held before it was changed: whoever is forgotten is forgotten with that as well.
        """CREATE TABLE former_hashes (
            file_id INTEGER NOT NULL REFERENCES files(id), sha256 TEXT NOT NULL,
            PRIMARY KEY (file_id, sha256)) WITHOUT ROWID""",
        """CREATE TABLE images (
            id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, frame INTEGER NOT NULL,
            width INTEGER NOT NULL, height INTEGER NOT NULL, pixel_hash TEXT NOT NULL,
            perceptual_hash BLOB NOT NULL, modality TEXT, quality TEXT NOT NULL, UNIQUE (sha256, frame))""",
        "CREATE INDEX images_pixel_hash ON images(pixel_hash)",
        """CREATE TABLE metadata (
            id INTEGER PRIMARY KEY,
            file_id INTEGER REFERENCES files(id), case_id INTEGER REFERENCES cases(id),
            field TEXT NOT NULL, value TEXT NOT NULL, weight REAL NOT NULL DEFAULT 1,
            vocabulary TEXT NOT NULL,
            origin TEXT NOT NULL, origin_name TEXT NOT NULL DEFAULT '', at TEXT NOT NULL,
            CHECK ((file_id IS NULL) <> (case_id IS NULL)))""",
        "CREATE INDEX metadata_file ON metadata(file_id, field)",
        "CREATE INDEX metadata_case ON metadata(case_id, field)",
        "CREATE INDEX metadata_field ON metadata(field, value)",
        """CREATE TABLE redactions (
            uid TEXT PRIMARY KEY, image_id INTEGER NOT NULL REFERENCES images(id), x INTEGER NOT NULL,
            y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
            person_uid TEXT NOT NULL REFERENCES people(uid), at TEXT NOT NULL)""",
        "CREATE INDEX redactions_image ON redactions(image_id)",
        """CREATE TABLE tombstones (
            hash TEXT PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID""",
    ):
        db.conn.execute(statement)


@migrations()
def m003_generation(db: Database) -> None:
    """Banks, runs and requests: every paid attempt is one row, written before it is sent."""
    for statement in (
        """CREATE TABLE banks (
            id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, name TEXT NOT NULL, version TEXT NOT NULL,
            language TEXT NOT NULL, licence TEXT NOT NULL, frozen_at TEXT NOT NULL)""",
        """CREATE TABLE questions (
            id INTEGER PRIMARY KEY, bank_id INTEGER NOT NULL REFERENCES banks(id), key TEXT NOT NULL,
            type TEXT NOT NULL, kind TEXT NOT NULL, weight REAL NOT NULL, variations TEXT NOT NULL,
            modalities TEXT NOT NULL, UNIQUE (bank_id, key))""",
        """CREATE TABLE runs (
            uid TEXT PRIMARY KEY, kind TEXT NOT NULL, started_at TEXT NOT NULL, provider TEXT NOT NULL,
            model TEXT NOT NULL, tier TEXT NOT NULL, bank_id INTEGER REFERENCES banks(id), plan TEXT NOT NULL,
            price TEXT NOT NULL, terms_date TEXT NOT NULL, acceptance_uid TEXT REFERENCES acceptances(uid),
            simulated INTEGER NOT NULL, app_version TEXT NOT NULL, sdk_version TEXT NOT NULL)""",
        """CREATE TABLE requests (
            id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, run_uid TEXT NOT NULL REFERENCES runs(uid),
            fingerprint TEXT NOT NULL, attempt INTEGER NOT NULL, image_id INTEGER REFERENCES images(id),
            question_key TEXT NOT NULL, variation INTEGER NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
            pixels TEXT NOT NULL, state TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', host TEXT NOT NULL,
            sent_bytes INTEGER NOT NULL DEFAULT 0, reserved_micro_usd INTEGER NOT NULL,
            cost_micro_usd INTEGER NOT NULL DEFAULT 0, usage TEXT NOT NULL DEFAULT '{}',
            model_version TEXT NOT NULL DEFAULT '', response_id TEXT NOT NULL DEFAULT '',
            response TEXT NOT NULL DEFAULT '', settled TEXT NOT NULL DEFAULT '',
            sent_at TEXT NOT NULL, finished_at TEXT)""",
        "CREATE INDEX requests_fingerprint ON requests(fingerprint, attempt, state)",
        "CREATE UNIQUE INDEX requests_answered ON requests(fingerprint) WHERE state = 'answered'",
        "CREATE INDEX requests_state ON requests(state, reserved_micro_usd, cost_micro_usd)",
        "CREATE INDEX requests_run ON requests(run_uid, state)",
        "CREATE INDEX requests_image ON requests(image_id)",
    ):
        db.conn.execute(statement)


@migrations()
def m004_pairs(db: Database) -> None:
    """Pairs, the verdicts about them, and the search index, which follows in batches.

    The id of a pair is never used again, or the index would hold a new pair for one that it has.
    """
    for statement in (
        """CREATE TABLE pairs (
            id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
            state TEXT NOT NULL, simulated INTEGER NOT NULL, run_uid TEXT REFERENCES runs(uid),
            request_uid TEXT UNIQUE, question_key TEXT, payload TEXT NOT NULL, flags TEXT NOT NULL,
            flag_count INTEGER NOT NULL, edited_turns TEXT, created_at TEXT NOT NULL)""",
        "CREATE INDEX pairs_state ON pairs(state, id)",
        "CREATE INDEX pairs_flags ON pairs(state, flag_count, id)",
        "CREATE INDEX pairs_flagged ON pairs(id) WHERE flag_count > 0",
        "CREATE INDEX pairs_run ON pairs(run_uid)",
        # The last letter alone: new pairs are then put at 16 places of the index and not at random ones,
        # which would write a page for each of them.
        "CREATE INDEX pairs_uid_end ON pairs(substr(uid, -1), uid)",
        """CREATE TABLE pair_turns (
            pair_id INTEGER NOT NULL REFERENCES pairs(id), n INTEGER NOT NULL, role TEXT NOT NULL,
            text TEXT NOT NULL, PRIMARY KEY (pair_id, n)) WITHOUT ROWID""",
        """CREATE TABLE pair_images (
            pair_id INTEGER NOT NULL REFERENCES pairs(id), ordinal INTEGER NOT NULL,
            image_id INTEGER NOT NULL REFERENCES images(id), region TEXT,
            PRIMARY KEY (pair_id, ordinal)) WITHOUT ROWID""",
        "CREATE INDEX pair_images_image ON pair_images(image_id, pair_id)",
        """CREATE TABLE verdicts (
            uid TEXT PRIMARY KEY, pair_uid TEXT NOT NULL, person_uid TEXT NOT NULL, kind TEXT NOT NULL,
            at TEXT NOT NULL, method TEXT NOT NULL, undoes TEXT, turns TEXT NOT NULL, reason TEXT,
            note TEXT NOT NULL, rubric TEXT NOT NULL, visible TEXT NOT NULL, seconds REAL NOT NULL,
            device TEXT NOT NULL, app_version TEXT NOT NULL)""",
        "CREATE INDEX verdicts_pair ON verdicts(pair_uid)",
        "CREATE INDEX verdicts_person ON verdicts(person_uid, uid)",
        """CREATE VIEW pair_texts AS SELECT pairs.id AS id,
            (SELECT group_concat(text, char(10)) FROM pair_turns WHERE pair_id = pairs.id) AS text
            FROM pairs""",
        "CREATE VIRTUAL TABLE pair_search USING fts5(text, content='pair_texts', content_rowid='id')",
    ):
        db.conn.execute(statement)


@migrations()
def m005_datasets(db: Database) -> None:
    """Frozen exports, and the part that each group of images belongs to for ever."""
    for statement in (
        """CREATE TABLE datasets (
            uid TEXT PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, format TEXT NOT NULL,
            seed INTEGER NOT NULL, created_at TEXT NOT NULL, manifest TEXT NOT NULL)""",
        """CREATE TABLE dataset_pairs (
            dataset_uid TEXT NOT NULL REFERENCES datasets(uid), pair_uid TEXT NOT NULL,
            text_sha256 TEXT NOT NULL, split TEXT NOT NULL,
            PRIMARY KEY (dataset_uid, pair_uid)) WITHOUT ROWID""",
        "CREATE INDEX dataset_pairs_pair ON dataset_pairs(pair_uid)",
        """CREATE TABLE splits (
            seed INTEGER NOT NULL, group_key TEXT NOT NULL, split TEXT NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (seed, group_key)) WITHOUT ROWID""",
    ):
        db.conn.execute(statement)


@migrations()
def m006_chats(db: Database) -> None:
    """Chats with models on this computer, and what the model saw of which picture.

    A picture need not be in the library: the hash of its file says which one it was.
    """
    for statement in (
        """CREATE TABLE chats (
            id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, model TEXT NOT NULL, model_sha256 TEXT NOT NULL,
            quantization TEXT NOT NULL, adapters TEXT NOT NULL, settings TEXT NOT NULL,
            person_uid TEXT REFERENCES people(uid), device TEXT NOT NULL, app_version TEXT NOT NULL,
            created_at TEXT NOT NULL)""",
        """CREATE TABLE chat_turns (
            chat_id INTEGER NOT NULL REFERENCES chats(id), n INTEGER NOT NULL, role TEXT NOT NULL,
            text TEXT NOT NULL, tokens TEXT NOT NULL, figures TEXT NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (chat_id, n)) WITHOUT ROWID""",
        """CREATE TABLE chat_images (
            chat_id INTEGER NOT NULL REFERENCES chats(id), n INTEGER NOT NULL, ordinal INTEGER NOT NULL,
            image_id INTEGER REFERENCES images(id), file_sha256 TEXT NOT NULL, pixels TEXT NOT NULL,
            PRIMARY KEY (chat_id, n, ordinal)) WITHOUT ROWID""",
        "CREATE INDEX chat_images_image ON chat_images(image_id)",
        "CREATE INDEX chat_images_file ON chat_images(file_sha256)",
    ):
        db.conn.execute(statement)


@migrations()
def m007_review(db: Database) -> None:
    """Which questions there are pairs of, and which verdicts were taken back, without reading all."""
    for statement in (
        "CREATE INDEX pairs_question ON pairs(question_key, state, id)",
        "CREATE INDEX verdicts_undoes ON verdicts(undoes) WHERE undoes IS NOT NULL",
    ):
        db.conn.execute(statement)


@migrations()
def m008_trainings(db: Database) -> None:
    """Trainings: what was to be trained, on what, with which settings. How one goes is told by its folder."""
    db.conn.execute(
        """CREATE TABLE trainings (
            uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL,
            dataset_uid TEXT REFERENCES datasets(uid), base TEXT NOT NULL, recipe TEXT NOT NULL,
            seed INTEGER NOT NULL, simulated INTEGER NOT NULL, device TEXT NOT NULL,
            app_version TEXT NOT NULL, ended_at TEXT, outcome TEXT, figures TEXT NOT NULL)"""
    )


@migrations()
def m009_chat_page(db: Database) -> None:
    """Chats get titles, answers get other versions, and both can be searched; then what the Chat page makes:
    preferences between two answers, classifications, and the reference library with its passages.

    The ids of turns and passages are never used again, or the index would hold a new one for one it has.
    """
    for statement in (
        "ALTER TABLE chats ADD COLUMN title TEXT NOT NULL DEFAULT ''",
        # ``follows`` is the version of the turn before; of every turn at most one version is shown.
        """CREATE TABLE turns_of_chats (
            id INTEGER PRIMARY KEY AUTOINCREMENT, chat_id INTEGER NOT NULL REFERENCES chats(id),
            n INTEGER NOT NULL, version INTEGER NOT NULL, follows INTEGER NOT NULL, shown INTEGER NOT NULL,
            role TEXT NOT NULL, text TEXT NOT NULL, tokens TEXT NOT NULL, figures TEXT NOT NULL,
            at TEXT NOT NULL, UNIQUE (chat_id, n, version))""",
        """INSERT INTO turns_of_chats (chat_id, n, version, follows, shown, role, text, tokens, figures, at)
            SELECT chat_id, n, 0, 0, 1, role, text, tokens, figures, at FROM chat_turns ORDER BY at, n""",
        "DROP TABLE chat_turns",
        "ALTER TABLE turns_of_chats RENAME TO chat_turns",
        # A picture that is in no library is found again where it lay.
        """CREATE TABLE images_of_chats (
            chat_id INTEGER NOT NULL REFERENCES chats(id), n INTEGER NOT NULL, version INTEGER NOT NULL,
            ordinal INTEGER NOT NULL, image_id INTEGER REFERENCES images(id), file_sha256 TEXT NOT NULL,
            frame INTEGER NOT NULL, path_bytes BLOB NOT NULL, pixels TEXT NOT NULL,
            PRIMARY KEY (chat_id, n, version, ordinal)) WITHOUT ROWID""",
        """INSERT INTO images_of_chats SELECT chat_id, n, 0, ordinal, image_id, file_sha256,
            coalesce((SELECT frame FROM images WHERE images.id = image_id), 0), x'', pixels
            FROM chat_images""",
        "DROP TABLE chat_images",
        "ALTER TABLE images_of_chats RENAME TO chat_images",
        "CREATE INDEX chat_images_image ON chat_images(image_id)",
        "CREATE INDEX chat_images_file ON chat_images(file_sha256)",
        *_searched("chat_search", "chat_turns"),
        "INSERT INTO chat_search (chat_search) VALUES ('rebuild')",
        """CREATE TABLE preferences (
            uid TEXT PRIMARY KEY, person_uid TEXT NOT NULL REFERENCES people(uid), at TEXT NOT NULL,
            turns TEXT NOT NULL, chosen TEXT NOT NULL, rejected TEXT NOT NULL, chosen_by TEXT NOT NULL,
            rejected_by TEXT NOT NULL, blinded INTEGER NOT NULL, seed INTEGER NOT NULL,
            device TEXT NOT NULL, app_version TEXT NOT NULL)""",
        """CREATE TABLE preference_images (
            preference_uid TEXT NOT NULL REFERENCES preferences(uid), ordinal INTEGER NOT NULL,
            image_id INTEGER NOT NULL REFERENCES images(id),
            PRIMARY KEY (preference_uid, ordinal)) WITHOUT ROWID""",
        "CREATE INDEX preference_images_image ON preference_images(image_id)",
        """CREATE TABLE classifications (
            key TEXT NOT NULL, image_id INTEGER NOT NULL REFERENCES images(id), model TEXT NOT NULL,
            field TEXT NOT NULL, scores TEXT NOT NULL, pixels TEXT NOT NULL, at TEXT NOT NULL,
            PRIMARY KEY (key, image_id)) WITHOUT ROWID""",
        "CREATE INDEX classifications_image ON classifications(image_id)",
        """CREATE TABLE reference_files (
            id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
            path_bytes BLOB NOT NULL UNIQUE, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, added_at TEXT NOT NULL)""",
        """CREATE TABLE reference_passages (
            id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES reference_files(id),
            place TEXT NOT NULL, text TEXT NOT NULL)""",
        "CREATE INDEX reference_passages_file ON reference_passages(file_id)",
        *_searched("reference_search", "reference_passages"),
    ):
        db.conn.execute(statement)


def _searched(index: str, table: str) -> tuple[str, ...]:
    """A search index over the column ``text`` of a table whose rows come one by one and are never changed."""
    return (
        f"CREATE VIRTUAL TABLE {index} USING fts5(text, content='{table}', content_rowid='id')",
        f"""CREATE TRIGGER {index}_add AFTER INSERT ON {table} BEGIN
            INSERT INTO {index} (rowid, text) VALUES (new.id, new.text); END""",
        f"""CREATE TRIGGER {index}_remove AFTER DELETE ON {table} BEGIN
            INSERT INTO {index} ({index}, rowid, text) VALUES ('delete', old.id, old.text); END""",
    )
