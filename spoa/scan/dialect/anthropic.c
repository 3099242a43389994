/* The family `anthropic`: messages, token counting, batches of messages, and the paths of
 * agents, files and models. The rows of messages are in messages.h.
 * https://docs.anthropic.com/en/api/messages */
#include "scan/dialect/family.h"
#include "scan/dialect/messages.h"

/* clang-format off */
static const struct row rows[] = { MESSAGES_ROWS(""), { 0 } };
#define PARAMS "requests[*].params"
static const struct row batch_rows[] = {
	{ "requests", T_ARRAY,  ROLE_OTHER, 0, 0 },
	{ PARAMS,     T_OBJECT, ROLE_OTHER, 0, READ_REQUEST },
	MESSAGES_ROWS(PARAMS "."),
	{ 0 },
};
static const struct row complete_rows[] = {
	{ "model",                T_STRING,        ROLE_OTHER, F_RESERVED, READ_MODEL },
	ROW_STREAM("stream"),
	ROW_STRING("prompt", ROLE_USER),
	ROW_CAP("max_tokens_to_sample"),
	{ 0 },
};
static const struct part_row parts[] = { MESSAGES_PARTS, { 0 } };
static const struct seal_row seals[] = { MESSAGES_SEALS(""), { 0 } };
static const struct seal_row batch_seals[] = { MESSAGES_SEALS(PARAMS "."), { 0 } };
static const struct param_row params[] = { CONVERSATION_PARAMS, { "metadata.user_id", "metadata.user_id" }, { 0 } };
static const struct name_row names[] = { MESSAGES_NAMES(""), { 0 } };
static const struct name_row batch_names[] = { WORD("requests[*].custom_id"), MESSAGES_NAMES(PARAMS "."), { 0 } };
static const struct ref_row refs[] = { MESSAGES_REFS(""), { 0 } };
static const struct ref_row batch_refs[] = { MESSAGES_REFS(PARAMS "."), { 0 } };

#define MESSAGES(named, capped) \
	.rows = rows, .parts = parts, .seals = seals, .names = names, .refs = refs, .params = params, .model = named, .cap = capped, .tree = TREE
const struct table table_messages          = { .json = true, MESSAGES("model", "max_tokens") };
const struct table table_messages_no_model = { .json = true, MESSAGES(NULL, "max_tokens") };
static const struct table count    = { .json = true, MESSAGES("model", NULL) };
static const struct table other    = { .lenient = true, MESSAGES("model", "max_tokens") };
static const struct table batch    = { .json = true, .batch = true, .rows = batch_rows, .parts = parts, .seals = batch_seals, .names = batch_names, .refs = batch_refs, .cap = "max_tokens", .tree = TREE };
static const struct table complete = { .json = true, .rows = complete_rows, .model = "model", .cap = "max_tokens_to_sample", .tree = TREE };

static const struct endpoint_row endpoints[] = {
	{ "POST", "/v1/messages",              "messages", &table_messages, 0 },
	{ "POST", "/v1/messages/count_tokens", "count",    &count, E_FREE },
	{ "POST", "/v1/messages/batches",      "batches",  &batch, 0 },
	{ "GET",  "/v1/messages/batches",      "batches",  NULL, 0 },
	{ NULL,   "/v1/messages/batches/{id}", "batches",  NULL, 0 },
	{ "POST", "/v1/messages/batches/{id}/cancel",  "batches", NULL, 0 },
	{ "GET",  "/v1/messages/batches/{id}/results", "results", NULL, E_STORED },
	{ "POST", "/v1/complete",              "complete", &complete, 0 },
	{ "GET",  "/v1/models",                "models",   NULL, 0 },
	{ "GET",  "/v1/models/{model}",        "models",   NULL, 0 },
	{ NULL,   "/v1/files",                 "files",    NULL, 0 },
	{ NULL,   "/v1/files/{id}",            "files",    NULL, 0 },
	{ "GET",  "/v1/files/{id}/content",    "file",     NULL, E_STORED },
	/* agents that Anthropic runs */
	RUNS("/v1/sessions", "sessions"),
	RUNS("/v1/sessions/{id}/events", "sessions"),
	RUNS("/v1/deployments", "deployments"),
	RUNS("/v1/deployments/{id}/run", "deployments"),
	RUNS("/v1/deployments/{id}/unpause", "deployments"),
	RUNS("/v1/dreams", "dreams"),
	KEPT("/v1/agents", "agents"),
	KEPT("/v1/environments", "environments"),
	KEPT("/v1/sessions", "sessions"),
	KEPT("/v1/deployments", "deployments"),
	KEPT("/v1/deployment_runs", "deployments"),
	KEPT("/v1/dreams", "dreams"),
	KEPT("/v1/memory_stores", "memory_stores"),
	KEPT("/v1/skills", "skills"),
	{ 0 },
};
static const char *const tells[] = { "/v1/messages", "/v1/messages/count_tokens", NULL };
/* clang-format on */

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.endpoints = endpoints,
	.tells = tells,
	.bases = no_base,
	.main = &table_messages,
	.other = &other,
	.usage = usage_anthropic,
	.types = TYPES_ANTHROPIC,
	.error = "{'type':'error','error':{'type':'%t','message':%m,'code':'%c'},'request_id':%"
		 "i}",
	.stream_event = "error",
};
