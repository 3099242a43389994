/* What records are searched by: a row a term. `tollgate audit search` makes its options of the
 * rows, the index of a segment holds their values, counting goes by them, and docs/audit.md
 * lists them. A later field of records that is searched for is one more row. */
#ifndef RECORD_AUDIT_RECORD_TERMS_H
#define RECORD_AUDIT_RECORD_TERMS_H

#include "record/index/index.h"

enum {
	TERM_WORDS = 1, /* without commas: some can be given at once */
	TERM_LATER = 2, /* an attempt or the completion may have another than the decision */
	TERM_LIST = 4,	/* counted by each; of others the first field alone */
};
/* id; its option; the fields that it is in (lists are looked through, "x.*" is the names in x);
 * flags; what it is. */
/* clang-format off */
#define RECORD_TERMS(X) \
  X(ID,           "id",           "id",                                          TERM_WORDS, "the public id") \
  X(TYPE,         "type",         "type",                                        TERM_WORDS, "of record: decision; change, policy, boot, alarm, …") \
  X(PERSON,       "person",       "identity.person",                             0, "who asked") \
  X(AGENT,        "agent",        "identity.agent",                              0, "for whom an agent asked") \
  X(TEAM,         "team",         "identity.team",                               0, "") \
  X(DEPARTMENT,   "department",   "identity.department",                         0, "") \
  X(KEY,          "key",          "identity.key",                                0, "the id of the key") \
  X(ROUTE,        "route",        "route",                                       0, "") \
  X(PATH,         "path",         "request.path",                                0, "") \
  X(MODEL,        "model",        "model requested_model answer.model", TERM_LATER, "sent, asked for or answering") \
  X(TARGET,       "target",       "target attempts.target backend",              TERM_LATER, "PROVIDER, PROVIDER/MODEL, or the backend of HAProxy") \
  X(PROVIDER,     "provider",     "target",                                      TERM_LATER, "the same without the model") \
  X(CLASS,        "class",        "classes answer.classes",                      TERM_WORDS | TERM_LATER | TERM_LIST, "found in question or answer") \
  X(ENTITY,       "entity",       "entities.* answer.findings.entity answer.verdict.entities.*", TERM_WORDS | TERM_LATER | TERM_LIST, "likewise") \
  X(RULE,         "rule",         "rule rules.name would.rule answer.rule answer.would_rule answer.verdict.rule answer.verdict.rules.name calls.rule calls.would_rule", TERM_LATER, "that decided or matched") \
  X(DECISION,     "decision",     "decision",                                    TERM_WORDS, "permit, redact, deny or observed") \
  X(OUTCOME,      "outcome",      "outcome",                                     TERM_WORDS | TERM_LATER, "how it ended: as audit list --outcome") \
  X(STATUS,       "status",       "status",                   TERM_WORDS | TERM_LATER, "of a denial or an answer") \
  X(TAG,          "tag",          "tags request_tags answer.tags answer.verdict.tags", TERM_LATER | TERM_LIST, "of rules, limits and callers") \
  X(OPERATION,    "operation",    "about.operation calls.operation", TERM_LATER, "that the policy says of the route, or of the tool that is called") \
  X(USE_CASE,     "use-case",     "about.use_case",                              0, "likewise") \
  X(RISK,         "risk",         "about.risk",                                  0, "likewise") \
  X(REVIEWER,     "reviewer",     "about.reviewer",                              0, "likewise") \
  X(REGION,       "region",       "region attempts.region",           TERM_LATER, "of the provider that was asked") \
  X(TOOL,         "tool",         "calls.tool answer.tool_calls", TERM_LATER | TERM_LIST, "called, by MCP, an answer or a route") \
  X(SERVER,       "server",       "calls.server",                                TERM_LATER | TERM_LIST, "whose tool is called")  \
  X(CALLED_BY,    "called-by",    "calls.by",                                    TERM_WORDS | TERM_LATER, "mcp, answer or api: how a call came") \
  X(OFFERED,      "offered-tool", "offered",                                     TERM_LIST, "a request lets its model call it") \
  X(SESSION,      "session",      "session",                                     TERM_WORDS | TERM_LATER, "the keyed hash of an MCP session") \
  X(CONVERSATION, "conversation", "request.conversation",                        0, "its id") \
  X(POLICY,       "policy",       "policy policy_version",                       0, "as NAME@BEGIN, or its version") \
  X(NODE,         "node",         "node",                                        TERM_WORDS, "whose journal") \
  X(CHANGED_BY,   "changed-by",   "by",                                          0, "who changed keys or limits") \
  X(USER,         "user",         "peer.user",                                   0, "at the admin socket: who read or changed") \
  X(SEAL,         "seal",         "seal",                                        TERM_WORDS, "the record of the seal with that id") \
  X(TEXT_HASH,    "text-hash",    "prompt.hmac_sha256 request.path_hmac_sha256 answer.texts.hmac_sha256 calls.arguments_hmac_sha256", TERM_WORDS | TERM_LATER, "the keyed hash of a whole body, path or answer, or of what a tool is called with") \
  /* not searched for by themselves */ \
  X(TIME,         NULL,           "time",                                        0, "") \
  X(VIA,          NULL,           "via",                                         0, "") \
  X(ASKED,        NULL,           "target",                                      0, "") \
  X(SENT,         NULL,           "model",                                       0, "") \
  X(WHY,          NULL,           "why",                                         0, "") \
  X(SAID_ERROR,   NULL,           "answer.provider_error",                       0, "")
/* clang-format on */
enum record_term {
#define X(id, name, paths, flags, what) RT_##id,
	RECORD_TERMS(X)
#undef X
		RT_COUNT,
	RT_SEARCHED = RT_TIME, /* rows before this one have options */
};

/* Fields whose values are read from a line with the terms, raw, for what is summed up of it. Of
 * lists the whole. */
/* clang-format off */
#define RECORD_PLACES(X) \
  X(TYPE) X(DECISION) X(CODE) X(ROUTE) X(MODEL) X(TARGET) X(IDENTITY_PERSON) X(IDENTITY_TEAM) X(IDENTITY_KEY) X(TAGS) X(REQUEST_TAGS) \
  X(COST_NANOUSD) X(PRICE_UNKNOWN) X(UNPRICED) X(USAGE_UNKNOWN) X(ESTIMATED_USAGE) X(RESERVED_USAGE) X(ATTEMPTS) \
  X(CALLS) X(OUTCOME) X(USAGE_INPUT_TOKENS) X(USAGE_CACHED_TOKENS) X(USAGE_CACHE_WRITE_TOKENS) \
  X(USAGE_CACHE_WRITE_1H_TOKENS) X(USAGE_OUTPUT_TOKENS) X(USAGE_REASONING_TOKENS) X(USAGE_AUDIO_INPUT_TOKENS) \
  X(USAGE_AUDIO_OUTPUT_TOKENS) X(USAGE_IMAGES) X(USAGE_SEARCHES) X(USAGE_SESSIONS) \
  X(CACHE) X(SAVED_INPUT_TOKENS) X(SAVED_OUTPUT_TOKENS) X(SAVED_COST_NANOUSD) \
  X(CACHE_EMBEDDED) X(CACHE_EMBEDDED_COST) X(ID) X(ANSWER_STREAMED) X(ANSWER_FIRST_TEXT_US) X(DURATION_US)
/* clang-format on */
enum record_place {
#define X(id) RP_##id,
	RECORD_PLACES(X)
#undef X
		RP_COUNT
};
_Static_assert((int)RP_COUNT <= (int)INDEX_PLACES, "index_line.place");
/* Those of a line; empty where it has none. */
void record_places(struct span line, struct span place[RP_COUNT]);

extern const struct record_term_row {
	const char *name, *paths;
	unsigned flags;
	const char *what;
} record_terms[RT_COUNT];

/* Calls value() for each value that a record of the daemon's has for a term with an option:
 * lists one by one, the words of --outcome that fit, a target with its model too. A view, valid
 * in the call. */
void record_values(struct span line,
	void (*value)(void *arg, enum record_term t, struct span value), void *arg);

/* How a request ended, and whether one of the words of --outcome says so: an outcome, a status,
 * a class of them, "error" or what /metrics calls a failure. */
struct record_end {
	struct span outcome, why;
	int64_t status;
	bool said_error; /* in an answer with the status of a success */
};
bool record_ended_so(const struct record_end *e, struct span word);
/* A word that can be one of --outcome. */
bool record_outcome_known(struct span word);
#define RECORD_OUTCOME_WORDS                                                                   \
	"complete, client_abort, provider_abort, never_sent, denied, answer_denied, "          \
	"haproxy_answered, abandoned, orphaned, a status (429), a class of them (5xx), "       \
	"provider_unavailable, "                                                               \
	"provider_timeout, provider_aborted, provider_error, error_in_answer or error"

/* For indexes of segments. */
extern const struct index_terms record_index_terms;

uint64_t record_term_hash(enum record_term t, struct span value);

#endif
