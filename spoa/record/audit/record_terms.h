/* The terms by which records are searched, one row for each. `tollgate audit search` makes
 * its options from the rows, the indexes of segments contain the terms' values, and
 * docs/audit.md lists them. To make a field searchable, add a row. */
#ifndef RECORD_AUDIT_RECORD_TERMS_H
#define RECORD_AUDIT_RECORD_TERMS_H

#include "record/index/index.h"

enum {
	TERM_WORDS = 1, /* values have no comma, so one option can list several */
	TERM_LATER = 2, /* the value has no comma, so an option can list several */
	/* an attempt or completion can have another value than the decision */
	TERM_LIST = 4,
};
/* The columns of a row: id; option; fields (arrays are read item by item, "x.*" stands for
 * the names in x); flags; description. */
/* clang-format off */
#define RECORD_TERMS(X) \
  X(ID,           "id",           "id",                                          TERM_WORDS, "the public id of the request") \
  X(TYPE,         "type",         "type",                                        TERM_WORDS, "type of the record: decision, change, policy, boot, alarm, …") \
  X(PERSON,       "person",       "identity.person",                             0, "the person who sent the request") \
  X(AGENT,        "agent",        "identity.agent",                              0, "the agent that sent the request") \
  X(TEAM,         "team",         "identity.team",                               0, "team of the person") \
  X(DEPARTMENT,   "department",   "identity.department",                         0, "") \
  X(KEY,          "key",          "identity.key",                                0, "the ID of the key") \
  X(ROUTE,        "route",        "route",                                       0, "") \
  X(PATH,         "path",         "request.path",                                0, "") \
  X(MODEL,        "model",        "model requested_model answer.model", TERM_LATER, "the model that was sent, requested or that responded") \
  X(TARGET,       "target",       "target attempts.target backend",              TERM_LATER, "PROVIDER, PROVIDER/MODEL, or the backend of HAProxy") \
  X(PROVIDER,     "provider",     "target",                                      TERM_LATER, "PROVIDER, without the model") \
  X(CLASS,        "class",        "classes answer.classes",                      TERM_WORDS | TERM_LATER | TERM_LIST, "class found in the prompt or the response") \
  X(ENTITY,       "entity",       "entities.* answer.findings.entity answer.verdict.entities.*", TERM_WORDS | TERM_LATER | TERM_LIST, "entity found in the prompt or the response") \
  X(RULE,         "rule",         "rule rules.name would.rule answer.rule answer.would_rule answer.verdict.rule answer.verdict.rules.name calls.rule calls.would_rule", TERM_LATER, "the rule that decided or matched") \
  X(DECISION,     "decision",     "decision",                                    TERM_WORDS, "permit, redact, deny or observed") \
  X(OUTCOME,      "outcome",      "outcome",                                     TERM_WORDS | TERM_LATER, "how the request ended; audit list --outcome lists the words") \
  X(STATUS,       "status",       "status",                   TERM_WORDS | TERM_LATER, "status of a denial or a response") \
  X(TAG,          "tag",          "tags request_tags answer.tags answer.verdict.tags", TERM_LATER | TERM_LIST, "tag of a rule, a limit or the caller") \
  X(OPERATION,    "operation",    "about.operation calls.operation", TERM_LATER, "operation that the policy states for the route or the called tool") \
  X(USE_CASE,     "use-case",     "about.use_case",                              0, "use case that the policy states for the route") \
  X(RISK,         "risk",         "about.risk",                                  0, "risk that the policy states for the route") \
  X(REVIEWER,     "reviewer",     "about.reviewer",                              0, "reviewer that the policy states for the route") \
  X(REGION,       "region",       "region attempts.region",           TERM_LATER, "region of the provider that was used") \
  X(TOOL,         "tool",         "calls.tool calls.wraps answer.tool_calls", TERM_LATER | TERM_LIST, "tool that was called by MCP, a response or a route") \
  X(SERVER,       "server",       "calls.server",                                TERM_LATER | TERM_LIST, "server of the called tool")  \
  X(CALLED_BY,    "called-by",    "calls.by",                                    TERM_WORDS | TERM_LATER, "how the call was made: mcp, answer or api") \
  X(OFFERED,      "offered-tool", "offered",                                     TERM_LIST, "tool that a request offers to its model") \
  X(SESSION,      "session",      "session",                                     TERM_WORDS | TERM_LATER, "the keyed hash of an MCP session") \
  X(CONVERSATION, "conversation", "request.conversation",                        0, "id of the conversation") \
  X(POLICY,       "policy",       "policy policy_version",                       0, "policy as NAME@BEGIN, or its version") \
  X(NODE,         "node",         "node",                                        TERM_WORDS, "node of the journal") \
  X(CHANGED_BY,   "changed-by",   "by",                                          0, "the person who changed keys or limits") \
  X(USER,         "user",         "peer.user",                                   0, "user at the admin socket who read or changed something") \
  X(SEAL,         "seal",         "seal",                                        TERM_WORDS, "the record of the seal with that id") \
  X(TEXT_HASH,    "text-hash",    "prompt.hmac_sha256 request.path_hmac_sha256 answer.texts.hmac_sha256 calls.arguments_hmac_sha256", TERM_WORDS | TERM_LATER, "keyed hash of a whole body, path or response, or of a tool's arguments") \
  /* the following have no option */ \
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

/* Fields whose raw values are read from a line together with the terms, to compute sums. A
 * field in an array stands for the whole array. */
/* clang-format off */
#define RECORD_PLACES(X) \
  X(TYPE) X(DECISION) X(CODE) X(ROUTE) X(MODEL) X(TARGET) X(IDENTITY_PERSON) X(IDENTITY_TEAM) X(IDENTITY_AGENT) X(IDENTITY_KEY) X(TAGS) X(REQUEST_TAGS) \
  X(COST_NANOUSD) X(PRICE_UNKNOWN) X(UNPRICED) X(USAGE_UNKNOWN) X(ESTIMATED_USAGE) X(RESERVED_USAGE) X(ATTEMPTS) \
  X(CALLS) X(OUTCOME) X(USAGE_INPUT_TOKENS) X(USAGE_CACHED_TOKENS) X(USAGE_CACHE_WRITE_TOKENS) \
  X(USAGE_CACHE_WRITE_1H_TOKENS) X(USAGE_OUTPUT_TOKENS) X(USAGE_REASONING_TOKENS) X(USAGE_AUDIO_INPUT_TOKENS) \
  X(USAGE_AUDIO_OUTPUT_TOKENS) X(USAGE_IMAGES) X(USAGE_SEARCHES) X(USAGE_SESSIONS) \
  X(CACHE) X(SAVED_INPUT_TOKENS) X(SAVED_OUTPUT_TOKENS) X(SAVED_COST_NANOUSD) \
  X(CACHE_EMBEDDED) X(CACHE_EMBEDDED_COST) X(ANSWER_LEFT_IN_CALLS) X(ID) X(ANSWER_STREAMED) X(ANSWER_FIRST_TEXT_US) X(DURATION_US)
/* clang-format on */
enum record_place {
#define X(id) RP_##id,
	RECORD_PLACES(X)
#undef X
		RP_COUNT
};
_Static_assert((int)RP_COUNT <= (int)INDEX_PLACES, "index_line.place");
/* Reads these fields of a line; n 0: the line has no such field. */
void record_places(struct span line, struct span place[RP_COUNT]);

extern const struct record_term_row {
	const char *name, *paths;
	unsigned flags;
	const char *what;
} record_terms[RT_COUNT];

/* Calls value() for each value of a record for a term that has an option. Items of arrays are
 * reported one by one, an outcome by all words of --outcome that fit, and a target also with
 * its model. The value is valid during the call. */
void record_values(struct span line,
	void (*value)(void *arg, enum record_term t, struct span value), void *arg);

/* record_ended_so() returns true if a request ended as `word` states: a word of --outcome,
 * which is an outcome, a status, a class of statuses, "error" or the name of a failure in
 * /metrics. */
struct record_end {
	struct span outcome, why;
	int64_t status;
	bool said_error; /* the provider reported an error with a success status */
};
bool record_ended_so(const struct record_end *e, struct span word);
/* Returns true if the word is valid for --outcome. */
bool record_outcome_known(struct span word);
#define RECORD_OUTCOME_WORDS                                                                   \
	"complete, client_abort, provider_abort, never_sent, denied, answer_denied, "          \
	"haproxy_answered, abandoned, orphaned, a status (429), a class of them (5xx), "       \
	"provider_unavailable, "                                                               \
	"provider_timeout, provider_aborted, provider_error, error_in_answer or error"

/* For the indexes of segments. */
extern const struct index_terms record_index_terms;

uint64_t record_term_hash(enum record_term t, struct span value);

#endif
