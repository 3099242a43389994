/* The fields of decision and completion records, one row for each. The rows are used by the
 * steps that write records (gate/steps/record*.c), by the commands that list, explain, sum
 * and re-evaluate records, and by docs/audit-fields.md (test_docs compares them). The scenario tests
 * check every record against the rows. */
#ifndef RECORD_AUDIT_RECORD_FIELDS_H
#define RECORD_AUDIT_RECORD_FIELDS_H

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"

/* The columns of a row: id; the objects that contain the field ("a." an object, "a[]." each
 * object of an array, "a.*." each member of an object). Then name; type; which records have it;
 * the step that sets it, or chain (the audit thread), gate, relay, guard; the field of
 * conditions that is restored from it, or V_COUNT; how commands call it, or NULL. */
/* clang-format off */
#define RECORD_FIELDS(X) \
  X(V,                             "",                   "v",                      INTEGER, EVERY,      "chain",    V_COUNT,                NULL) \
  X(NODE,                          "",                   "node",                   TEXT,    EVERY,      "chain",    V_COUNT,                "node") \
  X(BOOT,                          "",                   "boot",                   INTEGER, EVERY,      "chain",    V_COUNT,                NULL) \
  X(SEQ,                           "",                   "seq",                    INTEGER, EVERY,      "chain",    V_COUNT,                NULL) \
  X(PREV,                          "",                   "prev",                   HASH,    EVERY,      "chain",    V_COUNT,                NULL) \
  X(TIME,                          "",                   "time",                   TIME,    EVERY,      "chain",    V_COUNT,                "time") \
  X(TYPE,                          "",                   "type",                   TEXT,    EVERY,      "chain",    V_COUNT,                "type") \
  X(ID,                            "",                   "id",                     TEXT,    BOTH,       "gate",     V_COUNT,                "id") \
  X(DECIDED_AT,                    "",                   "decided_at",             TIME,    DECISION,   "gate",     V_NOW,                  "time") \
  X(DECISION,                      "",                   "decision",               TEXT,    DECISION,   "gate",     V_COUNT,                "decision") \
  X(OUTCOME,                       "",                   "outcome",                TEXT,    COMPLETION, "relay",    V_COUNT,                "outcome") \
  X(STATUS,                        "",                   "status",                 INTEGER, BOTH,       "gate",     V_COUNT,                "status") \
  X(CODE,                          "",                   "code",                   TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(REASON,                        "",                   "reason",                 TEXT,    DECISION,   "gate",     V_COUNT,                "reason") \
  X(WHY,                           "",                   "why",                    TEXT,    COMPLETION, "relay",    V_COUNT,                "why") \
  X(RULE,                          "",                   "rule",                   TEXT,    DECISION,   "policy",   V_COUNT,                "rule") \
  X(WOULD,                         "",                   "would",                  OBJECT,  DECISION,   "gate",     V_COUNT,                NULL) \
  X(WOULD_DECISION,                "would.",             "decision",               TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(WOULD_STATUS,                  "would.",             "status",                 INTEGER, DECISION,   "gate",     V_COUNT,                NULL) \
  X(WOULD_CODE,                    "would.",             "code",                   TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(WOULD_REASON,                  "would.",             "reason",                 TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(WOULD_RULE,                    "would.",             "rule",                   TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(VIA,                           "",                   "via",                    TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(STATE,                         "",                   "state",                  TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(POLICY,                        "",                   "policy",                 TEXT,    BOTH,       "policy",   V_COUNT,                "policy") \
  X(POLICY_VERSION,                "",                   "policy_version",         HASH,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(SHADOW,                        "",                   "shadow",                 FLAG,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(OBSERVING,                     "",                   "observing",              FLAG,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(ERASED,                        "",                   "erased",                 FLAG,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(ROUTE,                         "",                   "route",                  TEXT,    BOTH,       "match",    V_ROUTE_NAME,           "route") \
  X(TARGET,                        "",                   "target",                 TEXT,    BOTH,       "policy",   V_TARGET_NAME,          "provider") \
  X(REGION,                        "",                   "region",                 TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(ABOUT,                         "",                   "about",                  OBJECT,  BOTH,       "policy",   V_COUNT,                NULL) \
  X(ABOUT_USE_CASE,                "about.",             "use_case",               TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(ABOUT_RISK,                    "about.",             "risk",                   TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(ABOUT_OPERATION,               "about.",             "operation",              TEXT,    BOTH,       "policy",   V_COUNT,                "operation") \
  X(ABOUT_REVIEWER,                "about.",             "reviewer",               TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(BACKEND,                       "",                   "backend",                TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(MODEL,                         "",                   "model",                  TEXT,    BOTH,       "read",     V_MODEL_NAME,           "model") \
  X(SEARCHED,                      "",                   "searched",               TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(VERDICT,                       "",                   "verdict",                OBJECT,  DECISION,   "policy",   V_COUNT,                NULL) \
  X(VERDICT_EFFECT,                "verdict.",           "effect",                 TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(VERDICT_RULE,                  "verdict.",           "rule",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(VERDICT_ASKED_MODEL,           "verdict.",           "asked_model",            TEXT,    DECISION,   "read",     V_COUNT,                NULL) \
  X(VERDICT_OUTCOMES,              "verdict.",           "outcomes",               TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(RULES,                         "",                   "rules",                  OBJECTS, DECISION,   "policy",   V_COUNT,                NULL) \
  X(RULES_NAME,                    "rules[].",           "name",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(RULES_FATE,                    "rules[].",           "fate",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(RULES_ERROR,                   "rules[].",           "error",                  TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE,                      "",                   "would_be",               OBJECT,  DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE_DECISION,             "would_be.",          "decision",               TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE_RULE,                 "would_be.",          "rule",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE_TARGET,               "would_be.",          "target",                 TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE_MODEL,                "would_be.",          "model",                  TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(WOULD_BE_MAX_OUTPUT_TOKENS,    "would_be.",          "max_output_tokens",      INTEGER, DECISION,   "policy",   V_COUNT,                NULL) \
  X(NOT_HELD,                      "",                   "not_held",               TEXTS,   DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES,                    "",                   "candidates",             OBJECTS, DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_TARGET,             "candidates[].",      "target",                 TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_MODEL,              "candidates[].",      "model",                  TEXT,    DECISION,   "policy",   V_TARGET_MODEL,         NULL) \
  X(CANDIDATES_FATE,               "candidates[].",      "fate",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_RULE,               "candidates[].",      "rule",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_OUT,                "candidates[].",      "out",                    TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_STATE,              "candidates[].",      "state",                  TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_PLACE,              "candidates[].",      "place",                  INTEGER, DECISION,   "policy",   V_COUNT,                NULL) \
  X(CANDIDATES_PRICE,              "candidates[].",      "price",                  NUMBER,  DECISION,   "policy",   V_TARGET_PRICE,         NULL) \
  X(CANDIDATES_LATENCY,            "candidates[].",      "latency",                NUMBER,  DECISION,   "policy",   V_TARGET_LATENCY,       NULL) \
  X(CANDIDATES_ERRORS,             "candidates[].",      "errors",                 NUMBER,  DECISION,   "policy",   V_TARGET_ERRORS,        NULL) \
  X(TAGS,                          "",                   "tags",                   TEXTS,   BOTH,       "policy",   V_COUNT,                "tag") \
  X(REQUEST_TAGS,                  "",                   "request_tags",           TEXTS,   BOTH,       "policy",   V_REQUEST_TAGS,         "tag") \
  X(REQUESTED_MODEL,               "",                   "requested_model",        TEXT,    DECISION,   "read",     V_COUNT,                NULL) \
  X(TRANSLATED_TO,                 "",                   "translated_to",          TEXT,    DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(TRANSLATED_WITHOUT,            "",                   "translated_without",     TEXTS,   DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(MAX_OUTPUT_TOKENS,             "",                   "max_output_tokens",      INTEGER, DECISION,   "policy",   V_COUNT,                NULL) \
  X(SET_HEADERS,                   "",                   "set_headers",            TEXTS,   DECISION,   "policy",   V_COUNT,                NULL) \
  X(UNSENT_HEADERS,                "",                   "unsent_headers",         TEXTS,   DECISION,   "policy",   V_COUNT,                NULL) \
  X(REQUEST,                       "",                   "request",                OBJECT,  DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_METHOD,                "request.",           "method",                 TEXT,    DECISION,   "match",    V_REQUEST_METHOD,       NULL) \
  X(REQUEST_HOST,                  "request.",           "host",                   TEXT,    DECISION,   "match",    V_REQUEST_HOST,         NULL) \
  X(REQUEST_PATH,                  "request.",           "path",                   TEXT,    DECISION,   "match",    V_REQUEST_PATH,         NULL) \
  X(REQUEST_PATH_BYTES,            "request.",           "path_bytes",             INTEGER, DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_PATH_HMAC_SHA256,      "request.",           "path_hmac_sha256",       HASH,    DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_SRC,                   "request.",           "src",                    TEXT,    DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_TRACEPARENT,           "request.",           "traceparent",            TEXT,    DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_CONTENT_LENGTH,        "request.",           "content_length",         INTEGER, DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_ATTEMPT,               "request.",           "attempt",                INTEGER, DECISION,   "match",    V_COUNT,                NULL) \
  X(REQUEST_PARAMETERS,            "request.",           "parameters",             MAP,     DECISION,   "read",     V_COUNT,                NULL) \
  X(REQUEST_CONVERSATION,          "request.",           "conversation",           TEXT,    DECISION,   "read",     V_REQUEST_CONVERSATION, NULL) \
  X(IDENTITY,                      "",                   "identity",               OBJECT,  BOTH,       "identity", V_COUNT,                NULL) \
  X(IDENTITY_METHOD,               "identity.",          "method",                 TEXT,    BOTH,       "identity", V_IDENTITY_METHOD,      NULL) \
  X(IDENTITY_PERSON,               "identity.",          "person",                 TEXT,    BOTH,       "identity", V_IDENTITY_PERSON,      "person") \
  X(IDENTITY_AGENT,                "identity.",          "agent",                  TEXT,    BOTH,       "identity", V_IDENTITY_AGENT,       "agent") \
  X(IDENTITY_DEPARTMENT,           "identity.",          "department",             TEXT,    DECISION,   "identity", V_IDENTITY_DEPARTMENT,  "department") \
  X(IDENTITY_TEAM,                 "identity.",          "team",                   TEXT,    BOTH,       "identity", V_IDENTITY_TEAM,        "team") \
  X(IDENTITY_TIER,                 "identity.",          "tier",                   TEXT,    DECISION,   "identity", V_IDENTITY_TIER,        "tier") \
  X(IDENTITY_CLEARANCE,            "identity.",          "clearance",              INTEGER, DECISION,   "identity", V_IDENTITY_CLEARANCE,   NULL) \
  X(IDENTITY_ROLES,                "identity.",          "roles",                  TEXTS,   DECISION,   "identity", V_IDENTITY_ROLES,       NULL) \
  X(IDENTITY_ROLES_TOTAL,          "identity.",          "roles_total",            INTEGER, DECISION,   "identity", V_COUNT,                NULL) \
  X(IDENTITY_ATTRIBUTES,           "identity.",          "attributes",             MAP,     DECISION,   "identity", V_IDENTITY_ATTRIBUTES,  NULL) \
  X(IDENTITY_ATTRIBUTES_TOTAL,     "identity.",          "attributes_total",       INTEGER, DECISION,   "identity", V_COUNT,                NULL) \
  X(IDENTITY_ISSUER,               "identity.",          "issuer",                 TEXT,    DECISION,   "identity", V_COUNT,                NULL) \
  X(IDENTITY_KEY,                  "identity.",          "key",                    TEXT,    BOTH,       "identity", V_COUNT,                "key") \
  X(CALLER_TOKEN,                  "",                    "caller_token",           OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_SUBJECT,          "caller_token.",       "subject",                TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_ACTOR,            "caller_token.",       "actor",                  TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_AUDIENCE,         "caller_token.",       "audience",               TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_SCOPE,            "caller_token.",       "scope",                  TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_ISSUER,           "caller_token.",       "issuer",                 TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_HASH,             "caller_token.",       "hash",                   HASH,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLER_TOKEN_ENDS,             "caller_token.",       "ends",                   TIME,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SESSION,                       "",                    "session",                HASH,    BOTH,       "read",     V_COUNT,                "session") \
  X(SOCKET,                        "",                    "socket",                 OBJECT,  BOTH,       "gate",     V_COUNT,                NULL) \
  X(SOCKET_OF,                     "socket.",             "of",                     TEXT,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(SOCKET_TURN,                   "socket.",             "turn",                   FLAG,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(SOCKET_WITH,                   "socket.",             "with",                   OBJECTS, BOTH,       "gate",     V_COUNT,                NULL) \
  X(SOCKET_WITH_AT,                "socket.with[].",      "at",                     TEXT,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(SOCKET_WITH_BYTES,             "socket.with[].",      "bytes",                  INTEGER, BOTH,       "read",     V_COUNT,                NULL) \
  X(SOCKET_WITH_HMAC,              "socket.with[].",      "hmac_sha256",            HASH,    BOTH,       "read",     V_COUNT,                NULL) \
  X(SOCKET_WITH_INJECTION,         "socket.with[].",      "injection",              NUMBER,  BOTH,       "classify", V_COUNT,                NULL) \
  X(SOCKET_WITH_RULE,              "socket.with[].",      "rule",                   TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(SOCKET_TURNS,                  "socket.",             "turns",                  INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SOCKET_MEDIA_IN,               "socket.",             "media_in",               INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SOCKET_MEDIA_OUT,              "socket.",             "media_out",              INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SOCKET_REDACTIONS,             "socket.",             "redactions",             INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLS,                         "",                    "calls",                  OBJECTS, BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_BY,                      "calls[].",            "by",                     TEXT,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(CALLS_SERVER,                  "calls[].",            "server",                 TEXT,    BOTH,       "policy",   V_COUNT,                "server") \
  X(CALLS_METHOD,                  "calls[].",            "method",                 TEXT,    BOTH,       "read",     V_COUNT,                NULL) \
  X(CALLS_TOOL,                    "calls[].",            "tool",                   TEXT,    BOTH,       "read",     V_COUNT,                "tool") \
  X(CALLS_WRAPS,                   "calls[].",            "wraps",                  TEXT,    COMPLETION, "guard",    V_COUNT,                "tool") \
  X(CALLS_RESOURCE,                "calls[].",            "resource",               TEXT,    BOTH,       "read",     V_COUNT,                NULL) \
  X(CALLS_OPERATION,               "calls[].",            "operation",              TEXT,    BOTH,       "policy",   V_COUNT,                "operation") \
  X(CALLS_DECISION,                "calls[].",            "decision",               TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_RULE,                    "calls[].",            "rule",                   TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_WOULD,                   "calls[].",            "would",                  TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_WOULD_RULE,              "calls[].",            "would_rule",             TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_STATE,                   "calls[].",            "state",                  TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(CALLS_OUTCOMES,                "calls[].",            "outcomes",               TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_ARGUMENTS_BYTES,         "calls[].",            "arguments_bytes",        INTEGER, BOTH,       "read",     V_COUNT,                NULL) \
  X(CALLS_ARGUMENTS_HMAC,          "calls[].",            "arguments_hmac_sha256",  HASH,    BOTH,       "read",     V_COUNT,                NULL) \
  X(CALLS_ARGUMENTS,               "calls[].",            "arguments",              TEXT,    BOTH,       "rewrite",  V_COUNT,                NULL) \
  X(CALLS_ARGUMENTS_CUT,           "calls[].",            "arguments_cut",          FLAG,    BOTH,       "rewrite",  V_COUNT,                NULL) \
  X(CALLS_LEFT,                    "calls[].",            "left",                   MAP,     COMPLETION, "guard",    V_COUNT,                NULL) \
  X(CALLS_ORIGINS,                 "calls[].",            "origins",                MAP,     BOTH,       "policy",   V_COUNT,                NULL) \
  X(CALLS_CLASSES,                 "calls[].",            "classes",                TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(CALLS_RESULT_BYTES,            "calls[].",            "result_bytes",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLS_DURATION_US,             "calls[].",            "duration_us",            INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CALLS_OVER,                    "",                    "calls_over",             INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(OFFERED,                       "",                    "offered",                TEXTS,   DECISION,   "read",     V_COUNT,                "offered-tool") \
  X(OFFERED_OVER,                  "",                    "offered_over",           INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(ATTRIBUTED,                    "",                   "attributed",             TEXT,    DECISION,   "identity", V_COUNT,                NULL) \
  X(CLASSES,                       "",                   "classes",                TEXTS,   DECISION,   "classify", V_PROMPT_CLASSES,       "class") \
  X(INJECTION_ROLES,               "",                   "injection_roles",        TEXTS,   DECISION,   "classify", V_COUNT,                NULL) \
  X(INJECTION,                     "",                   "injection",              NUMBER,  DECISION,   "classify", V_PROMPT_INJECTION,     NULL) \
  X(INJECTION_REASON,              "",                   "injection_reason",       TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES,                      "",                   "entities",               MAP,     DECISION,   "classify", V_PROMPT_ENTITIES,      "entity") \
  X(ENTITIES_COUNT,                "entities.*.",        "count",                  INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_SCORE,                "entities.*.",        "score",                  NUMBER,  DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_MENTIONS,             "entities.*.",        "mentions",               INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_SAMPLES,              "entities.*.",        "samples",                INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_ROLES,                "entities.*.",        "roles",                  TEXTS,   DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_BY,                   "entities.*.",        "by",                     TEXTS,   DECISION,   "classify", V_COUNT,                NULL) \
  X(ENTITIES_WITH,                 "entities.*.",        "with",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(SIGNED_REASONING,              "",                   "signed_reasoning",       OBJECT,  DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(SIGNED_REASONING_BLOCKS,       "signed_reasoning.",  "blocks",                 INTEGER, DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(SIGNED_REASONING_DROPPED,      "signed_reasoning.",  "dropped",                INTEGER, DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(SIGNED_REASONING_LEFT,         "signed_reasoning.",  "left",                   INTEGER, DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(HIDDEN_TOOLS,                  "",                   "hidden_tools",           INTEGER, DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(PLACEHOLDERS,                  "",                   "placeholders",           TEXT,    DECISION,   "gate",     V_COUNT,                NULL) \
  X(CREDENTIALS,                   "",                   "credentials",            INTEGER, DECISION,   "identity", V_COUNT,                NULL) \
  X(EVASION,                       "",                   "evasion",                FLAG,    DECISION,   "classify", V_PROMPT_EVASION,       NULL) \
  X(INVISIBLE,                     "",                   "invisible",              INTEGER, DECISION,   "classify", V_PROMPT_INVISIBLE,     NULL) \
  X(CLASSIFIER_FAILED,             "",                   "classifier_failed",      FLAG,    DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS,                   "",                   "recognisers",            OBJECTS, DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_NAME,              "recognisers[].",     "name",                   TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_OUTCOME,           "recognisers[].",     "outcome",                TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_APPLIED,           "recognisers[].",     "applied",                TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_TEXTS,             "recognisers[].",     "texts",                  INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_REMEMBERED,        "recognisers[].",     "remembered",             INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(RECOGNIZERS_US,                "recognisers[].",     "us",                     INTEGER, DECISION,   "classify", V_COUNT,                NULL) \
  X(LOW_CONFIDENCE,                "",                   "low_confidence",         FLAG,    DECISION,   "classify", V_COUNT,                NULL) \
  X(UNCLASSIFIED,                  "",                   "unclassified",           OBJECT,  DECISION,   "classify", V_COUNT,                NULL) \
  X(UNCLASSIFIED_APPLIED,          "unclassified.",      "applied",                TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(UNCLASSIFIED_CLASS,            "unclassified.",      "class",                  TEXT,    DECISION,   "classify", V_COUNT,                NULL) \
  X(DATA,                          "",                   "data",                   MAP,     DECISION,   "policy",   V_COUNT,                NULL) \
  X(DATA_LEFT_OUT,                 "",                   "data_left_out",          TEXTS,   DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY,                 "",                   "shadow_policy",          OBJECT,  DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_POLICY,          "shadow_policy.",     "policy",                 TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_FAILED,          "shadow_policy.",     "failed",                 FLAG,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_DECISION,        "shadow_policy.",     "decision",               TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_STATUS,          "shadow_policy.",     "status",                 INTEGER, DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_RULE,            "shadow_policy.",     "rule",                   TEXT,    DECISION,   "policy",   V_COUNT,                NULL) \
  X(SHADOW_POLICY_DIFFERS,         "shadow_policy.",     "differs",                TEXTS,   DECISION,   "policy",   V_COUNT,                NULL) \
  X(PROMPT,                        "",                   "prompt",                 OBJECT,  DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_NOT_READ,               "prompt.",            "not_read",               FLAG,    DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_HEAD_ONLY,              "prompt.",            "head_only",              FLAG,    DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_INSPECTED_BYTES,        "prompt.",            "inspected_bytes",        INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_NOT_INSPECTED_BYTES,    "prompt.",            "not_inspected_bytes",    INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_HMAC_SHA256,            "prompt.",            "hmac_sha256",            HASH,    DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_BYTES,                  "prompt.",            "bytes",                  INTEGER, DECISION,   "read",     V_PROMPT_BYTES,         NULL) \
  X(PROMPT_ENCODING,               "prompt.",            "encoding",               TEXT,    DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_SEGMENTS,               "prompt.",            "segments",               INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_OPAQUE_BYTES,           "prompt.",            "opaque_bytes",           INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_OPAQUE_PARTS,           "prompt.",            "opaque_parts",           INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_MEDIA,                  "prompt.",            "media",                  TEXTS,   DECISION,   "read",     V_PROMPT_MEDIA,         NULL) \
  X(PROMPT_SPEECH,                 "prompt.",            "speech",                 TEXTS,   DECISION,   "files",    V_PROMPT_SPEECH,        NULL) \
  X(PROMPT_SPEECH_SECONDS,         "prompt.",            "speech_seconds",         INTEGER, DECISION,   "files",    V_PROMPT_SPEECH_SECONDS, NULL) \
  X(PROMPT_MACROS,                 "prompt.",            "macros",                 FLAG,    DECISION,   "files",    V_PROMPT_MACROS,        NULL) \
  X(PROMPT_FILES,                  "prompt.",            "files",                  OBJECTS, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_KIND,             "prompt.files[].",    "kind",                   TEXT,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_BYTES,            "prompt.files[].",    "bytes",                  INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_PAGES,            "prompt.files[].",    "pages",                  INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_MACROS,           "prompt.files[].",    "macros",                 FLAG,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_SECONDS,          "prompt.files[].",    "seconds",                INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_CODEC,            "prompt.files[].",    "codec",                  TEXT,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_CHANNELS,         "prompt.files[].",    "channels",               INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_BY,               "prompt.files[].",    "transcriber",            TEXT,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_LANGUAGE,         "prompt.files[].",    "language",               TEXT,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_TRANSCRIPT,       "prompt.files[].",    "transcript_hmac_sha256", HASH,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_READ,             "prompt.files[].",    "read",                   TEXTS,   DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_UNREAD,           "prompt.files[].",    "unread",                 TEXT,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_UNREAD_PAGE,      "prompt.files[].",    "unread_page",            INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_FOUND,            "prompt.files[].",    "found",                  TEXTS,   DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_STRIPPED,         "prompt.files[].",    "stripped",               FLAG,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_BARE,             "prompt.files[].",    "metadata_removed",       FLAG,    DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_FILES_US,               "prompt.files[].",    "us",                     INTEGER, DECISION,   "files",    V_COUNT,                NULL) \
  X(PROMPT_SEALED_BYTES,           "prompt.",            "sealed_bytes",           INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_SEALED_PARTS,           "prompt.",            "sealed_parts",           INTEGER, DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_REFERENCES,             "prompt.",            "references",             MAP,     DECISION,   "read",     V_PROMPT_REFERENCES,    NULL) \
  X(PROMPT_TOOL_RESULTS,           "prompt.",            "tool_results",           TEXTS,   DECISION,   "read",     V_PROMPT_TOOL_RESULTS,  NULL) \
  X(PROMPT_UNREADABLE,             "prompt.",            "unreadable",             FLAG,    DECISION,   "read",     V_COUNT,                NULL) \
  X(PROMPT_ESTIMATED_INPUT_TOKENS, "prompt.",            "estimated_input_tokens", INTEGER, DECISION,   "quota",    V_PROMPT_TOKENS,        NULL) \
  X(PROMPT_TOKENS_EXACT,           "prompt.",            "tokens_exact",           FLAG,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(PROMPT_TOKENS_BY_BYTES,        "prompt.",            "tokens_by_bytes",        FLAG,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(PROMPT_RESERVED_INPUT_TOKENS,  "prompt.",            "reserved_input_tokens",  INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(PROMPT_RESERVED_OUTPUT_TOKENS, "prompt.",            "reserved_output_tokens", INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(PROMPT_KEPT,                    "prompt.",            "kept",                   OBJECT,  DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_HOW,                "prompt.kept.",       "how",                    TEXT,    DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_FORM,               "prompt.kept.",       "form",                   TEXT,    DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_SEAL,               "prompt.kept.",       "seal",                   TEXT,    DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_STEP,               "prompt.kept.",       "step",                   INTEGER, DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_SHARE,              "prompt.kept.",       "share",                  INTEGER, DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_BYTES,              "prompt.kept.",       "bytes",                  INTEGER, DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_AT,                 "prompt.kept.",       "at",                     INTEGERS,DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_SHA256,             "prompt.kept.",       "sha256",                 HASH,    DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_KEPT_CUT,                "prompt.kept.",       "cut",                    FLAG,    DECISION,   "gate",    V_COUNT,                NULL) \
  X(PROMPT_TEXT,                   "prompt.",            "text",                   TEXT,    DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(PROMPT_TEXT_CUT,               "prompt.",            "text_cut",               FLAG,    DECISION,   "rewrite",  V_COUNT,                NULL) \
  X(TOOLS_KEPT,                     "",                   "tools_kept",             OBJECT,  BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_HOW,                 "tools_kept.",        "how",                    TEXT,    BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_FORM,                "tools_kept.",        "form",                   TEXT,    BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_SEAL,                "tools_kept.",        "seal",                   TEXT,    BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_STEP,                "tools_kept.",        "step",                   INTEGER, BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_SHARE,               "tools_kept.",        "share",                  INTEGER, BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_BYTES,               "tools_kept.",        "bytes",                  INTEGER, BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_AT,                  "tools_kept.",        "at",                     INTEGERS,BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_SHA256,              "tools_kept.",        "sha256",                 HASH,    BOTH,       "gate",    V_COUNT,                NULL) \
  X(TOOLS_KEPT_CUT,                 "tools_kept.",        "cut",                    FLAG,    BOTH,       "gate",    V_COUNT,                NULL) \
  X(LIMITS,                        "",                   "limits",                 OBJECTS, DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_LIMIT,                  "limits[].",          "limit",                  TEXT,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_KIND,                   "limits[].",          "kind",                   TEXT,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_OF,                     "limits[].",          "of",                     INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_WINDOW,                 "limits[].",          "window",                 TEXT,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_WINDOW_S,               "limits[].",          "window_s",               INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_TAKEN,                  "limits[].",          "taken",                  INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_REMAINING,              "limits[].",          "remaining",              INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(LIMITS_COUNTED_AT,             "limits[].",          "counted_at",             TIME,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(RESERVED_NANOUSD,              "",                   "reserved_nanousd",       INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(RESERVED,                      "",                   "reserved",               TEXTS,   DECISION,   "quota",    V_COUNT,                NULL) \
  X(ATTEMPT,                       "",                   "attempt",                INTEGER, DECISION,   "gate",     V_COUNT,                NULL) \
  X(QUOTA_UNAVAILABLE,             "",                   "quota_unavailable",      FLAG,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(QUOTA_ALONE,                   "",                   "quota_alone",            FLAG,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(LEARNED_CAP,                   "",                   "learned_cap",            INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(DEFAULT_CAP,                   "",                   "default_cap",            INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(TARGET_CAP,                    "",                   "target_cap",             INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(AT_SOFT,                       "",                   "at_soft",                OBJECT,  DECISION,   "quota",    V_COUNT,                NULL) \
  X(AT_SOFT_LIMIT,                 "at_soft.",           "limit",                  TEXT,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(AT_SOFT_MODEL,                 "at_soft.",           "model",                  TEXT,    DECISION,   "quota",    V_COUNT,                NULL) \
  X(AT_SOFT_MAX_OUTPUT_TOKENS,     "at_soft.",           "max_output_tokens",      INTEGER, DECISION,   "quota",    V_COUNT,                NULL) \
  X(AT_LIMIT,                      "",                   "at_limit",               OBJECT,  DECISION,   "quota",    V_COUNT,                NULL) \
  X(NOT_INSPECTED,                 "",                   "not_inspected",          TEXTS,   DECISION,   "read",     V_COUNT,                NULL) \
  X(TRACEPARENT,                   "",                   "traceparent",            TEXT,    COMPLETION, "match",    V_COUNT,                NULL) \
  X(ATTEMPTS,                      "",                    "attempts",               OBJECTS, BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_TARGET,               "attempts[].",         "target",                 TEXT,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_REGION,               "attempts[].",         "region",                 TEXT,    BOTH,       "policy",   V_COUNT,                NULL) \
  X(ATTEMPTS_CAUSE,                "attempts[].",         "cause",                  TEXT,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_MS,                   "attempts[].",         "ms",                     INTEGER, BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_STATUS,               "attempts[].",         "status",                 INTEGER, BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_TOKENS,               "attempts[].",         "tokens",                 INTEGER, BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_COST,                 "attempts[].",         "cost",                   INTEGER, BOTH,       "gate",     V_COUNT,                NULL) \
  X(ATTEMPTS_MAYBE_BILLED,         "attempts[].",         "maybe_billed",           FLAG,    BOTH,       "gate",     V_COUNT,                NULL) \
  X(NO_FURTHER,                    "",                    "no_further",             TEXT,    COMPLETION, "gate",     V_COUNT,                NULL) \
  X(RESPONSE_BYTES,                "",                   "response_bytes",         INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(STORED,                        "",                   "stored",                 FLAG,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_UNKNOWN,                 "",                   "usage_unknown",          FLAG,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE,                         "",                   "cache",                  TEXT,    COMPLETION, "relay",    V_COUNT,                "cache") \
  X(CACHE_WHY,                     "",                   "cache_why",              TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_BY,                      "",                   "cache_by",               TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_DISTANCE,                "",                   "cache_distance",         NUMBER,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_EMBEDDED_BY,             "",                   "cache_embedded_by",      TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_EMBEDDED,                "",                   "cache_embedded_tokens",  INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_EMBEDDED_COST,           "",                   "cache_embedded_nanousd", INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_AGE,                     "",                   "cache_age_s",            INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(CACHE_WAITED,                  "",                   "cache_waited_ms",        INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SAVED,                         "",                   "saved",                  OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SAVED_INPUT_TOKENS,            "saved.",             "input_tokens",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SAVED_OUTPUT_TOKENS,           "saved.",             "output_tokens",          INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SAVED_COST_NANOUSD,            "saved.",             "cost_nanousd",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(ESTIMATED_USAGE,               "",                   "estimated_usage",        OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(ESTIMATED_USAGE_INPUT_TOKENS,  "estimated_usage.",   "input_tokens",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(ESTIMATED_USAGE_OUTPUT_TOKENS, "estimated_usage.",   "output_tokens",          INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(ESTIMATED_USAGE_COST_NANOUSD,  "estimated_usage.",   "cost_nanousd",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(RESERVED_USAGE,                "",                   "reserved_usage",         OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE,                         "",                   "usage",                  OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_INPUT_TOKENS,            "usage.",             "input_tokens",           INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_OUTPUT_TOKENS,           "usage.",             "output_tokens",          INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHED_TOKENS,           "usage.",             "cached_tokens",          INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHE_WRITE_TOKENS,      "usage.",             "cache_write_tokens",     INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHE_WRITE_1H_TOKENS,   "usage.",             "cache_write_1h_tokens",  INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_AUDIO_INPUT_TOKENS,      "usage.",             "audio_input_tokens",     INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_IMAGE_INPUT_TOKENS,      "usage.",             "image_input_tokens",     INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHED_AUDIO_TOKENS,     "usage.",             "cached_audio_tokens",    INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHED_IMAGE_TOKENS,     "usage.",             "cached_image_tokens",    INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_REASONING_TOKENS,        "usage.",             "reasoning_tokens",       INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_AUDIO_OUTPUT_TOKENS,     "usage.",             "audio_output_tokens",    INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_IMAGE_OUTPUT_TOKENS,     "usage.",             "image_output_tokens",    INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_IMAGES,                  "usage.",             "images",                 INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_SEARCHES,                "usage.",             "searches",               INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_MAPS,                    "usage.",             "maps",                   INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_SESSIONS,                "usage.",             "sessions",               INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_FILE_SEARCHES,           "usage.",             "file_searches",          INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_TOOL_IMAGES,             "usage.",             "tool_images",            INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_SECONDS,                 "usage.",             "seconds",                INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CHARACTERS,              "usage.",             "characters",             INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_CACHE_TOKEN_SECONDS,     "usage.",             "cache_token_seconds",    INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_SERVICE,                 "usage.",             "service",                TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(USAGE_US_ONLY,                 "usage.",             "us_only",                FLAG,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(COST_NANOUSD,                  "",                   "cost_nanousd",           INTEGER, COMPLETION, "relay",    V_COUNT,                "cost") \
  X(PRICE,                         "",                   "price",                  OBJECT,  COMPLETION, "relay",    V_COUNT,                NULL) \
  X(PRICE_MODEL,                   "price.",             "model",                  TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(PRICE_FROM,                    "price.",             "from",                   TEXT,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(UNPRICED,                      "",                   "unpriced",               TEXTS,   COMPLETION, "relay",    V_COUNT,                NULL) \
  X(PRICE_UNKNOWN,                 "",                   "price_unknown",          FLAG,    COMPLETION, "relay",    V_COUNT,                NULL) \
  X(SETTLED,                       "",                   "settled",                TEXTS,   COMPLETION, "quota",    V_COUNT,                NULL) \
  X(COUNTED,                       "",                   "counted",                TEXTS,   COMPLETION, "quota",    V_COUNT,                NULL) \
  X(DURATION_US,                   "",                   "duration_us",            INTEGER, COMPLETION, "relay",    V_COUNT,                NULL) \
  X(ANSWER,                        "",                   "answer",                 OBJECT,  COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_STREAMED,               "answer.",            "streamed",               FLAG,    COMPLETION, "guard",    V_RESPONSE_STREAMED,    NULL) \
  X(ANSWER_INSPECTED,              "answer.",            "inspected",              FLAG,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_PROVIDER_ERROR,         "answer.",            "provider_error",         FLAG,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_MODEL,                  "answer.",            "model",                  TEXT,    COMPLETION, "guard",    V_RESPONSE_MODEL,       NULL) \
  X(ANSWER_FINISH_REASON,          "answer.",            "finish_reason",          TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TOOL_CALLS,             "answer.",            "tool_calls",             TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_DECISION,               "answer.",            "decision",               TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_DENIED_WITH,            "answer.",            "denied_with",            INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_RULE,                   "answer.",            "rule",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_WOULD,                  "answer.",            "would",                  TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_WOULD_RULE,             "answer.",            "would_rule",             TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TAGS,                   "answer.",            "tags",                   TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_CLASSES,                "answer.",            "classes",                TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_SHADOW_POLICY,          "answer.",            "shadow_policy",          OBJECT,  COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_FINDINGS,               "answer.",            "findings",               OBJECTS, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_FINDINGS_ENTITY,        "answer.findings[].", "entity",                 TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_FINDINGS_COUNT,         "answer.findings[].", "count",                  INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_FINDINGS_WITH,          "answer.findings[].", "with",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT,                "answer.",            "verdict",                OBJECT,  COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_WHEN,           "answer.verdict.",    "when",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_DECISION,       "answer.verdict.",    "decision",               TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_RULE,           "answer.verdict.",    "rule",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_TAGS,           "answer.verdict.",    "tags",                   TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_OUTCOMES,       "answer.verdict.",    "outcomes",               TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_RULES,          "answer.verdict.",    "rules",                  OBJECTS, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_ENTITIES,       "answer.verdict.",    "entities",               MAP,     COMPLETION, "guard",    V_RESPONSE_ENTITIES,    NULL) \
  X(ANSWER_VERDICT_INJECTION,      "answer.verdict.",    "injection",              NUMBER,  COMPLETION, "guard",    V_RESPONSE_INJECTION,   NULL) \
  X(ANSWER_VERDICT_BYTES,          "answer.verdict.",    "bytes",                  INTEGER, COMPLETION, "guard",    V_RESPONSE_BYTES,       NULL) \
  X(ANSWER_VERDICT_TOKENS,         "answer.verdict.",    "tokens",                 INTEGER, COMPLETION, "guard",    V_RESPONSE_TOKENS,      NULL) \
  X(ANSWER_VERDICT_FINISH_REASON,  "answer.verdict.",    "finish_reason",          TEXT,    COMPLETION, "guard",    V_RESPONSE_FINISH,      NULL) \
  X(ANSWER_VERDICT_STATUS,         "answer.verdict.",    "status",                 INTEGER, COMPLETION, "guard",    V_RESPONSE_STATUS,      NULL) \
  X(ANSWER_VERDICT_EVASION,        "answer.verdict.",    "evasion",                FLAG,    COMPLETION, "guard",    V_RESPONSE_EVASION,     NULL) \
  X(ANSWER_VERDICT_MEDIA,          "answer.verdict.",    "media",                  TEXTS,   COMPLETION, "guard",    V_RESPONSE_MEDIA,       NULL) \
  X(ANSWER_VERDICT_SPEECH,         "answer.verdict.",    "speech",                 TEXTS,   COMPLETION, "guard",    V_RESPONSE_SPEECH,      NULL) \
  X(ANSWER_VERDICT_TOOL_CALLS,     "answer.verdict.",    "tool_calls",             TEXTS,   COMPLETION, "guard",    V_RESPONSE_TOOL_CALLS,  NULL) \
  X(ANSWER_VERDICT_TOOL_ARGUMENTS, "answer.verdict.",    "tool_arguments",         TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_NOT_HELD,       "answer.verdict.",    "not_held",               TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_SEARCHED,       "answer.verdict.",    "searched",               TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_VERDICT_SCORED,         "answer.verdict.",    "scored",                 FLAG,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS,                  "answer.",            "texts",                  OBJECTS, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_KIND,             "answer.texts[].",    "kind",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_CHOICE,           "answer.texts[].",    "choice",                 INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_PART,             "answer.texts[].",    "part",                   INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_BYTES,            "answer.texts[].",    "bytes",                  INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_HMAC_SHA256,      "answer.texts[].",    "hmac_sha256",            HASH,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_TEXT,             "answer.texts[].",    "text",                   TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_KEPT,                    "answer.",            "kept",                   OBJECT,  COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_HOW,                "answer.kept.",       "how",                    TEXT,    COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_FORM,               "answer.kept.",       "form",                   TEXT,    COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_SEAL,               "answer.kept.",       "seal",                   TEXT,    COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_STEP,               "answer.kept.",       "step",                   INTEGER, COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_SHARE,              "answer.kept.",       "share",                  INTEGER, COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_BYTES,              "answer.kept.",       "bytes",                  INTEGER, COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_AT,                 "answer.kept.",       "at",                     INTEGERS,COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_SHA256,             "answer.kept.",       "sha256",                 HASH,    COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_KEPT_CUT,                "answer.kept.",       "cut",                    FLAG,    COMPLETION, "gate",    V_COUNT,                NULL) \
  X(ANSWER_TEXTS_CUT,              "answer.",            "texts_cut",              FLAG,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_REDACTIONS,             "answer.",            "redactions",             INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_RESTORATIONS,           "answer.",            "restorations",           INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_LEFT_IN_URLS,           "answer.",            "left_in_urls",           INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_LEFT_IN_CALLS,          "answer.",            "left_in_calls",          MAP,     COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_UNRESOLVED,             "answer.",            "unresolved",             INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_SIGNED_DROPPED,         "answer.",            "signed_dropped",         INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TRANSLATED_WITHOUT,     "answer.",            "translated_without",     TEXTS,   COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TOOLS_HIDDEN,           "answer.",            "tools_hidden",           INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_TEXT_BYTES,             "answer.",            "text_bytes",             INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_EVENTS,                 "answer.",            "events",                 INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_OPAQUE_BYTES,           "answer.",            "opaque_bytes",           INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_SEALED_BYTES,           "answer.",            "sealed_bytes",           INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_NOT_INSPECTED_BYTES,    "answer.",            "not_inspected_bytes",    INTEGER, COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_NOT_INSPECTED_WHY,      "answer.",            "not_inspected_why",      TEXT,    COMPLETION, "guard",    V_COUNT,                NULL) \
  X(ANSWER_FIRST_TEXT_US,          "answer.",            "first_text_us",          INTEGER, COMPLETION, "guard",    V_COUNT,                NULL)
/* clang-format on */

enum record_field {
#define X(id, object, name, type, in, by, slot, called) RF_##id,
	RECORD_FIELDS(X)
#undef X
		RECORD_FIELDS_COUNT
};

/* clang-format off */
#define RECORD_TYPES(X) \
  X(TEXT, "text") X(INTEGER, "integer") X(NUMBER, "number") X(TIME, "time") X(HASH, "hash") \
  X(FLAG, "flag")         /* true, or absent */ \
  X(TEXTS, "texts")       /* an array */ \
  X(INTEGERS, "integers") /* an array */ \
  X(OBJECT, "object")     /* its members have rows of their own */ \
  X(OBJECTS, "objects")   /* an array of objects */ \
  X(MAP, "map")           /* its names are data; the rows below it apply to each member */
/* clang-format on */
enum record_type {
#define X(id, name) RECORD_##id,
	RECORD_TYPES(X)
#undef X
};

enum record_kind {
	RECORD_DECISION = 1,
	RECORD_COMPLETION = 2,
	RECORD_BOTH = 3,
	RECORD_EVERY = 7
};

extern const struct record_row {
	const char *path, *name;
	const char *key; /* ,"NAME": as it is written */
	uint8_t key_bytes, type, in, slot;
	const char *by, *called;
} record_rows[RECORD_FIELDS_COUNT];

/* Returns the value in a record, or NULL. Not for fields in arrays or maps. */
json_t *record_get(const json_t *record, enum record_field f);
/* Returns the value in the object that directly contains the field. */
static inline json_t *
record_in(const json_t *object, enum record_field f)
{
	return json_object_get(object, record_rows[f].name);
}
/* Return the value of a field as a span, C string or number, or an empty span, "" or 0 if the
 * record has none. Valid as long as the record. */
static inline struct span
record_span(const json_t *record, enum record_field f)
{
	return json_span(record_get(record, f));
}
static inline const char *
record_text(const json_t *record, enum record_field f)
{
	const char *s = json_string_value(record_get(record, f));

	return s ? s : "";
}
static inline int64_t
record_int(const json_t *record, enum record_field f)
{
	return (int64_t)json_integer_value(record_get(record, f));
}
static inline bool
record_is(const json_t *record, enum record_field f, const char *text)
{
	return !strcmp(record_text(record, f), text);
}

/* Returns the record's "time", which is near its beginning (record/journal/chain.h), or n 0
 * if it has none there. Borrows from `line`. */
struct span audit_time_of(struct span line);
/* Returns true if the record's time is at or after `since` and before `until`. Both are as
 * clock_rfc3339() writes them; "": no bound. */
bool audit_time_within(struct span line, const char *since, const char *until);
/* bytes of a line that contain everything that the chain writes before the type */
#define AUDIT_HEAD_BYTES 1024

#endif
