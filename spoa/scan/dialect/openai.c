/* The family `openai`: POST /v1/chat/completions, including members that compatible servers add
 * (vLLM, llama.cpp: reasoning_content), and the rows of all OpenAI's paths. The tables of the
 * other endpoints are in openai_endpoints.c.
 * https://platform.openai.com/docs/api-reference/chat */
#include "scan/dialect/openai.h"

/* Chat completions. OpenAI and vLLM refuse an output limit of 0; for Ollama 0 is no limit
 * (F_ZERO). */
/* clang-format off */
static const struct row rows[] = {
	{ "model",                          T_STRING,                ROLE_OTHER, F_RESERVED, READ_MODEL },
	ROW_STREAM("stream"),
	{ "stream_options",                 T_OBJECT|T_NULL,         ROLE_OTHER, F_RESERVED, READ_OPTIONS },
	{ "stream_options.include_usage",   T_BOOL|T_NULL,           ROLE_OTHER, F_RESERVED, READ_INCLUDE_USAGE },
	{ "max_tokens",                     T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED|F_ZERO, READ_CAP },
	{ "max_completion_tokens",          T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED|F_ZERO, READ_CAP },
	ROW_CHOICES("n"),
	ROW_CHOICES("best_of"),
	{ "messages",                       T_ARRAY,                 ROLE_OTHER, 0, 0 },
	{ "messages[*]",                    T_OBJECT,                ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("messages[*].role"),
	ROW_TEXT("messages[*].name", ROLE_BY_MESSAGE),
	{ "messages[*].content",            T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*]",         T_OBJECT|T_STRING,       ROLE_BY_MESSAGE, 0, READ_PART },
	ROW_WORD("messages[*].content[*].type", ROLE_OTHER),
	ROW_STRING("messages[*].content[*].text", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].content[*].refusal", ROLE_BY_MESSAGE),
	{ "messages[*].content[*].image_url",        T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	ROW_OPAQUE("messages[*].content[*].image_url.url", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].input_audio.data", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].file.file_data", ROLE_DOCUMENT),
	ROW_STRING("messages[*].content[*].file.filename", ROLE_DOCUMENT),
	ROW_TEXT("messages[*].refusal", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].reasoning_content", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].tool_call_id", ROLE_TOOL_RESULT),
	{ "messages[*].tool_calls",         T_ARRAY|T_NULL,          ROLE_TOOL_CALL, F_DATA, 0 },
	{ "messages[*].tool_calls[*]",      T_OBJECT,                ROLE_TOOL_CALL, F_DEEP, 0 },
	ROW_WORD("messages[*].tool_calls[*].type", ROLE_TOOL_CALL),
	ROW_TOOL("messages[*].tool_calls[*].function.name"),
	ROW_DATA("messages[*].tool_calls[*].function.arguments", ROLE_TOOL_CALL),
	ROW_TOOL("messages[*].tool_calls[*].custom.name"),
	ROW_STRING("messages[*].tool_calls[*].custom.input", ROLE_TOOL_CALL),
	{ "messages[*].function_call",      T_OBJECT|T_NULL,         ROLE_TOOL_CALL, F_DATA, 0 },
	ROW_TOOL("messages[*].function_call.name"),
	ROW_DATA("messages[*].function_call.arguments", ROLE_TOOL_CALL),
	{ "tools",                          T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*]",                       T_OBJECT,                ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_WORD("tools[*].type", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].custom", ROLE_TOOL_DEFINITION),
	{ "functions",                      T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_DATA("metadata", ROLE_OTHER),
	{ "response_format",                T_OBJECT|T_NULL,         ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "prediction",                     T_OBJECT|T_NULL,         ROLE_ASSISTANT, F_DATA, 0 },
	/* members of vLLM, llama.cpp and others */
	/* fallback models */
	{ "models",                         T_ANY,                   ROLE_OTHER, F_RESERVED, 0 },
	{ "models[*]",                      T_STRING,                ROLE_OTHER, F_RESERVED, READ_MODEL },
	MODEL_ELSEWHERE,
	ROW_DATA("documents", ROLE_DOCUMENT),
	{ "prompt",                         T_ANY,                   ROLE_OTHER, F_ANYONE, 0 },
	ROW_TEXT("chat_template", ROLE_SYSTEM),
	ROW_DEEP("structured_outputs", ROLE_TOOL_DEFINITION),
	ROW_DEEP("grammar", ROLE_TOOL_DEFINITION),
	ROW_DEEP("json_schema", ROLE_TOOL_DEFINITION),
	ROW_DEEP("messages[*].reasoning", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].video_url.url", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].audio_url.url", ROLE_BY_MESSAGE),
	{ 0 },
};

const struct part_row chat_parts[] = {
	{ PART_TYPES("text", "refusal"), NULL, false },
	{ PART_TYPES("image_url"), "image", false },
	{ PART_TYPES("input_audio", "audio_url"), "audio", false },
	{ PART_TYPES("file"), "file", false },
	{ PART_TYPES("video_url"), "video", false },
	{ 0 },
};

static const struct param_row params[] = { CONVERSATION_PARAMS, { 0 } };
static const struct ref_row refs[] = {
	{ "messages[*].content[*].image_url", "url" },
	{ "messages[*].content[*].image_url.url", "url" },
	{ "messages[*].content[*].video_url.url", "url" },
	{ "messages[*].content[*].audio_url.url", "url" },
	{ "messages[*].content[*].file.file_id", "file" },
	{ "messages[*].audio.id", "audio" },
	{ 0 },
};



static const struct seal_row seals[] = { SEALS_OPENAI, { 0 } };

/* clang-format on */

#define CHAT                                                                                   \
	.rows = rows, .parts = chat_parts, .seals = seals, .refs = refs, .params = params,     \
	.model = "model", .cap = "max_completion_tokens", .asks_usage = true
const struct table table_chat = { .json = true, CHAT, .tree = TREE };
const struct table table_chat_other = { .lenient = true, CHAT, .tree = TREE };

/* clang-format off */
#define DEPLOYED "/deployments/{model}"
#define BESIDE E_UNSEEN | E_BESIDE
static const struct endpoint_row endpoints[] = {
	OPENAI_ENDPOINTS(""),
	OPENAI_ENDPOINTS(DEPLOYED),
	OPENAI_ENDPOINTS("/engines/{model}"),
	{ "GET",  "/chat/completions",              "stored_chats",  NULL, 0 },
	{ "GET",  "/chat/completions/{id}",         "stored_chat",   NULL, E_STORED },
	{ "GET",  "/chat/completions/{id}/messages", "stored_chats", NULL, 0 },
	{ NULL,   "/chat/completions/{id}",         "stored_chats",  NULL, 0 },
	{ "GET",  "/responses/{id}",                "stored_response", NULL, E_STORED },
	{ "DELETE", "/responses/{id}",              "stored",        NULL, 0 },
	{ "GET",  "/responses/{id}/input_items",    "stored",        NULL, 0 },
	{ "POST", "/responses/{id}/cancel",         "stored_response", NULL, E_STORED },
	{ "POST", "/responses/compact",             "compact",       &table_responses_count, 0 },
	{ "POST", "/responses/input_tokens",        "count",         &table_responses_count, E_FREE },
	{ "POST", "/conversations",                 "conversations", &table_items, 0 },
	{ "POST", "/conversations/{id}",            "conversations", NULL, 0 },
	{ "POST", "/conversations/{id}/items",      "conversations", &table_items, 0 },
	{ "GET",  "/conversations/{id}/items",      "stored",        NULL, 0 },
	{ "GET",  "/conversations/{id}",            "stored",        NULL, 0 },
	{ "DELETE", "/conversations/{id}",          "stored",        NULL, 0 },
	{ "GET",  "/conversations/{id}/items/{id}", "stored",        NULL, 0 },
	{ "DELETE", "/conversations/{id}/items/{id}", "stored",      NULL, 0 },
	{ "POST", "/moderations",                   "moderations",   &table_input, 0 },
	{ "POST", "/images/generations",            "images",        &table_form, 0 },
	{ "POST", "/images/edits",                  "images",        &table_form, 0 },
	{ "POST", "/images/variations",             "images",        &table_form, 0 },
	{ "POST", DEPLOYED "/images/generations",   "images",        &table_form, 0 },
	{ "POST", DEPLOYED "/images/edits",         "images",        &table_form, 0 },
	{ "POST", "/audio/speech",                  "speech",        &table_input, 0 },
	{ "POST", DEPLOYED "/audio/speech",         "speech",        &table_input, 0 },
	{ "POST", "/audio/transcriptions",          "transcriptions", &table_form, 0 },
	{ "POST", "/audio/translations",            "transcriptions", &table_form, 0 },
	{ "POST", DEPLOYED "/audio/transcriptions", "transcriptions", &table_form, 0 },
	{ "POST", DEPLOYED "/audio/translations",   "transcriptions", &table_form, 0 },
	{ "GET",  "/models",                        "models",        NULL, 0 },
	{ "GET",  "/models/{model}",                "models",        NULL, 0 },
	/* a tuned model. A POST is Gemini's */
	{ "DELETE", "/models/{model}",              "models",        NULL, 0 },
	{ NULL,   "/files",                         "files",         &table_files, 0 },
	{ NULL,   "/files/{id}",                    "files",         NULL, 0 },
	{ "GET",  "/files/{id}/content",            "file",          NULL, E_STORED },
	{ "POST", "/uploads",                       "files",         NULL, 0 },
	{ "POST", "/uploads/{id}/parts",            "files",         &table_pieces, 0 },
	{ "POST", "/uploads/{id}/complete",         "files",         NULL, 0 },
	{ "POST", "/uploads/{id}/cancel",           "files",         NULL, 0 },
	{ "GET",  "/batches",                       "batches",       NULL, 0 },
	{ "POST", "/batches",                       "batches",       &table_batch_job, 0 },
	{ "POST", DEPLOYED "/batches",              "batches",       &table_batch_job, 0 },
	{ "GET",  "/batches/{id}",                  "batches",       NULL, 0 },
	{ "POST", "/batches/{id}/cancel",           "batches",       NULL, 0 },
	{ "GET",  "/realtime",                      "realtime",      &table_realtime, 0 },
	{ "GET",  "/responses",                     "responses",     &table_responses, 0 },
	/* Sessions over WebRTC and SIP, client secrets for them, and all further paths below
	 * /realtime. The last two before /realtime/{more} are Azure's. */
	{ "POST", "/realtime",                      "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/client_secrets",       "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/sessions",             "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/transcription_sessions", "realtime",    &table_session, BESIDE },
	{ "POST", "/realtime/calls",                "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/calls/{id}/accept",    "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/calls/{id}/refer",     "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/calls/{id}/reject",    "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/calls/{id}/hangup",    "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/translations/client_secrets", "realtime", &table_session, BESIDE },
	{ "POST", "/realtime/translations/calls",   "realtime",      &table_session, BESIDE },
	{ "POST", "/realtimertc",                   "realtime",      &table_session, BESIDE },
	{ "POST", "/realtimeapi/sessions",          "realtime",      &table_session, BESIDE },
	{ NULL,   "/realtime/{more}",               "realtime",      &table_session, E_BESIDE },
	/* First the requests that run a model without reported usage, then all other paths of
	 * kept things. */
	RUNS("/threads/runs", "runs"),
	RUNS("/threads/{id}/runs", "runs"),
	RUNS("/threads/{id}/runs/{id}/submit_tool_outputs", "runs"),
	RUNS("/chatkit/sessions", "runs"),
	RUNS("/fine_tuning/jobs", "fine_tuning"),
	RUNS("/fine_tuning/jobs/{id}/resume", "fine_tuning"),
	RUNS("/fine_tuning/alpha/graders/run", "fine_tuning"),
	RUNS("/evals/{id}/runs", "evals"),
	RUNS("/videos", "videos"),
	RUNS("/videos/{id}/remix", "videos"),
	RUNS("/videos/edits", "videos"),
	RUNS("/videos/extensions", "videos"),
	KEPT("/assistants", "assistants"),
	KEPT("/threads", "threads"),
	KEPT("/chatkit", "threads"),
	KEPT("/vector_stores", "vector_stores"),
	KEPT("/containers", "containers"),
	KEPT("/skills", "skills"),
	KEPT("/fine_tuning", "fine_tuning"),
	KEPT("/evals", "evals"),
	KEPT("/videos", "videos"),
	{ NULL,   "/audio/voices/{more}",           "voices",        &table_kept, 0 },
	/* endpoints of vLLM and llama.cpp */
	{ "POST", "/v1/messages",                   "messages",      &table_messages, 0 },
	{ "POST", "/completion",                    "completion",    &table_completion, 0 },
	{ "POST", "/infill",                        "completion",    &table_completion, 0 },
	{ "POST", "/embedding",                     "embeddings",    &table_input, 0 },
	{ "POST", "/pooling",                       "embeddings",    &table_input, 0 },
	{ "POST", "/classify",                      "embeddings",    &table_input, 0 },
	{ "POST", "/score",                         "embeddings",    &table_input, 0 },
	{ "POST", "/rerank",                        "embeddings",    &table_input, 0 },
	{ "POST", "/v2/rerank",                     "embeddings",    &table_input, 0 },
	{ "POST", "/tokenize",                      "tokens",        &table_input, E_FREE },
	{ "POST", "/detokenize",                    "tokens",        &table_input, E_FREE },
	{ "POST", "/apply-template",                "tokens",        &table_input, E_FREE },
	{ 0 },
};
static const char *const tells[] = {
	"/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings",
	"/realtime/calls", "/realtime/calls/{id}/accept", "/realtime/client_secrets",
	"/realtime/sessions", "/realtime/transcription_sessions", NULL,
};
static const char *const bases[] = { "", "/v1", "/openai/v1", "/openai", NULL };
/* clang-format on */

const char error_openai[] = "{'error':{'message':%m,'type':'%t','param':%p,'code':'%c'},"
			    "'request_id':%i}";

const struct dialect dialect_openai = {
	.name = "openai",
	.endpoints = endpoints,
	.tells = tells,
	.bases = bases,
	.main = &table_chat,
	.other = &table_chat_other,
	.usage = usage_openai,
	.error = error_openai,
};
