PRAGMA application_id = 1380076081;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE admissions (
    run         TEXT    NOT NULL PRIMARY KEY,
    runbook     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    lock        TEXT,
    state       TEXT    NOT NULL,
    acts        INTEGER NOT NULL,
    through     TEXT,
    asked_us    INTEGER NOT NULL,
    began_us    INTEGER,
    ended_us    INTEGER,
    outcome     TEXT,
    place       INTEGER NOT NULL,
    rules       TEXT    NOT NULL,
    start       TEXT
) WITHOUT ROWID;
INSERT INTO "admissions" VALUES('old-1','stratum/redis','staging','redis/a','over',1,NULL,1700000000000000,1700000000000000,1700000000000004,'resolved',0,'{"lock": ["redis/a", "queue"], "cooldown_us": 600000000, "max_runs": 3, "per_us": 21600000000, "breaker_after": 2, "breaker_reset_us": 0, "closed": []}',NULL);
INSERT INTO "admissions" VALUES('old-2','stratum/redis','staging','redis/a','admitted',1,NULL,1700000000000009,1700000000000009,NULL,NULL,0,'{"lock": ["redis/a", "queue"], "cooldown_us": 600000000, "max_runs": 3, "per_us": 21600000000, "breaker_after": 2, "breaker_reset_us": 0, "closed": []}',NULL);
CREATE TABLE budgets (
    name             TEXT    NOT NULL PRIMARY KEY,
    used             REAL    NOT NULL,
    at_us            INTEGER NOT NULL,
    spent            INTEGER NOT NULL,
    blocked_until_us INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "budgets" VALUES('meta/act_1',0.75,1700000000000030,4,1700000060000000);
CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    about       TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    occurred_us INTEGER,
    times       INTEGER NOT NULL,
    last_us     INTEGER NOT NULL,
    replay_of   TEXT,
    verdict     TEXT,
    verdicts    TEXT,
    settled_us  INTEGER,
    body        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE TABLE delivery_keys (
    key      TEXT NOT NULL PRIMARY KEY,
    delivery TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE delivery_runs (
    run      TEXT NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (run, delivery)
) WITHOUT ROWID;
CREATE TABLE events (
    run     TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at_us   INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    hash    TEXT    NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
INSERT INTO "events" VALUES('old-1',1,1700000000000000,'RunStarted',1,'{"means":"os-user","name":"ann"}','{"environment":"staging","inputs":{"limit":0.8},"mode":"real","name":"stratum/redis","texts":{"stratum/redis":"title: Ünïcode\n"}}','f119cf26a397f85230e31c38f80b2bea090470e6df3b84b8a30336dbf033df7d');
INSERT INTO "events" VALUES('old-1',2,1700000000000001,'StepStarted',1,'{"means":"engine","name":"engine"}','{"path":"memory","plan":{"params":{},"type":"redis.info"}}','a72c9f256f0e2560d44dd3927ef96dab079db39357d99a67ccefe04703e5c286');
INSERT INTO "events" VALUES('old-1',3,1700000000000002,'StepFinished',1,'{"means":"engine","name":"engine"}','{"outcome":{"result":{"used":1.5}},"path":"memory","status":"passed"}','2a9ae5a10cc7e9a128e1ea9ddf43d1c42d659f056baedebbe3e8004160caddaa');
INSERT INTO "events" VALUES('old-1',4,1700000000000003,'Answered',1,'{"means":"as","name":"bob","via":"ann"}','{"answer":"yes","note":"o''k \"q\"","path":"x"}','9b2dc781b8f65db64dc44e824de9f1358d60f2969d6fc6a27099ea44e8921d8f');
INSERT INTO "events" VALUES('old-1',5,1700000000000004,'RunFinished',1,'{"means":"engine","name":"engine"}','{"because":"below the limit","outcome":"resolved"}','a0aeff14f4cc3939fe5ae3e5e686ca527134950118b614e3b102d8a1e5c81f3b');
INSERT INTO "events" VALUES('old-2',1,1700000000000009,'RunStarted',1,'{"means":"os-user","name":"ann"}','{"environment":"staging","mode":"real","name":"stratum/redis"}','cc5c2a5ccdc1b229f87026edfccce5994cebd474428f4611dcd426e1308dedc0');
INSERT INTO "events" VALUES('old-2',2,1700000000000010,'StepStarted',1,'{"means":"engine","name":"engine"}','{"path":"act","plan":{"params":{},"type":"redis.delete"}}','8d913ce648fcad5a21625fa7ad01bc5c6a5495d00882fbe0a911b2fb81c19f2c');
INSERT INTO "events" VALUES('old-2',3,1700000000000011,'StepFinished',1,'{"means":"engine","name":"engine"}','{"path":"act","status":"unknown"}','c5195fe2f23ca25353f1a491758df391685f99b25e56346a4a72463c23cd9941');
INSERT INTO "events" VALUES('old-2',4,1700000000000012,'StepStarted',1,'{"means":"engine","name":"engine"}','{"path":"q","plan":{"params":{},"type":"human.confirm"}}','f0c3fb2f391c9566e68af937823965492667675633c46b5b6eaf757ad96b37df');
CREATE TABLE leases (
    run        TEXT    NOT NULL PRIMARY KEY,
    epoch      INTEGER NOT NULL,
    holder     TEXT,
    renewed_us INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "leases" VALUES('old-1',1,NULL,1795222256922210);
INSERT INTO "leases" VALUES('old-2',1,'h:1:2',1795222256923360);
CREATE TABLE notes (
    run    TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    at_us  INTEGER NOT NULL,
    detail TEXT,
    PRIMARY KEY (run, kind)
) WITHOUT ROWID;
CREATE TABLE requests (
    key    TEXT    NOT NULL PRIMARY KEY,
    digest TEXT    NOT NULL,
    run    TEXT    NOT NULL,
    at_us  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (
    run         TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    mode        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    started_us  INTEGER NOT NULL,
    finished_us INTEGER,
    status      TEXT    NOT NULL,
    because     TEXT,
    marks       TEXT    NOT NULL,
    last_seq    INTEGER NOT NULL,
    head        TEXT    NOT NULL
) WITHOUT ROWID;
INSERT INTO "runs" VALUES('old-1','stratum/redis','staging','real','ann',1700000000000000,1700000000000004,'resolved','below the limit','[[], []]',5,'a0aeff14f4cc3939fe5ae3e5e686ca527134950118b614e3b102d8a1e5c81f3b');
INSERT INTO "runs" VALUES('old-2','stratum/redis','staging','real','ann',1700000000000009,NULL,'in doubt',NULL,'[["act"], ["q"]]',4,'f0c3fb2f391c9566e68af937823965492667675633c46b5b6eaf757ad96b37df');
CREATE TABLE schedules (
    name    TEXT    NOT NULL PRIMARY KEY,
    seen_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE switches (
    number INTEGER PRIMARY KEY,
    at_us  INTEGER NOT NULL,
    frozen INTEGER NOT NULL,
    why    TEXT    NOT NULL,
    actor  TEXT    NOT NULL
);
INSERT INTO "switches" VALUES(1,1700000000000020,1,'release','{"means":"os-user","name":"ann"}');
CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    person     TEXT    NOT NULL,
    digest     TEXT    NOT NULL UNIQUE,
    grants     TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    made_us    INTEGER NOT NULL,
    made_by    TEXT    NOT NULL,
    expires_us INTEGER NOT NULL,
    ended_us   INTEGER,
    ended_why  TEXT,
    used_us    INTEGER
) WITHOUT ROWID;
CREATE INDEX runs_by_start ON runs (started_us, run);
CREATE UNIQUE INDEX admissions_locks ON admissions (environment, lock)
    WHERE state = 'admitted' AND lock IS NOT NULL;
CREATE INDEX admissions_line ON admissions (environment, lock, place) WHERE state = 'queued';
CREATE INDEX admissions_open ON admissions (asked_us) WHERE state IN ('queued', 'admitted');
CREATE INDEX admissions_begun ON admissions (runbook, environment, began_us)
    WHERE began_us IS NOT NULL;
CREATE INDEX admissions_ended ON admissions (runbook, environment, ended_us) WHERE state = 'over';
CREATE INDEX deliveries_by_time ON deliveries (received_us, id);
CREATE INDEX deliveries_open ON deliveries (received_us, id) WHERE settled_us IS NULL;
CREATE INDEX delivery_keys_of ON delivery_keys (delivery);
CREATE INDEX delivery_runs_of ON delivery_runs (delivery);
CREATE INDEX requests_by_time ON requests (at_us);
CREATE INDEX runs_by_status ON runs (status, started_us, run);
CREATE INDEX events_calls ON events (run, type)
    WHERE type IN ('EscalationStarted', 'LevelDue', 'EscalationExhausted', 'EscalationClosed');
COMMIT;
