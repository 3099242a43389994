/* The dialect `mcp`: the Model Context Protocol over streamable HTTP, in both eras, on any
 * path. A body is one JSON-RPC message. scan/mcp/ validates the message; this table lists the
 * places of its texts. https://modelcontextprotocol.io/specification/2025-11-25/schema and
 * …/2026-07-28/schema */
#include "scan/dialect/family.h"

/* clang-format off */
static const struct row rows[] = {
	ROW_WORD("jsonrpc", ROLE_OTHER),
	{ "id",                    T_STRING|T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, 0 },
	ROW_WORD("method", ROLE_OTHER),
	{ "params",                T_OBJECT,          ROLE_OTHER, F_NONE, 0 },
	{ "params._meta.progressToken", T_ANY,        ROLE_OTHER, F_RESERVED, 0 },
	{ "params.protocolVersion", T_ANY,            ROLE_OTHER, F_RESERVED, 0 },
	/* tools/call, prompts/get, resources/read, resources/subscribe */
	{ "params.name",           T_ANY,             ROLE_TOOL_CALL, F_RESERVED, 0 },
	{ "params.uri",            T_ANY,             ROLE_TOOL_CALL, F_RESERVED, 0 },
	ROW_DATA("params.arguments", ROLE_TOOL_CALL),
	/* completion/complete */
	ROW_DATA("params.ref", ROLE_OTHER),
	{ "params.ref.type",       T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	{ "params.ref.name",       T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	{ "params.ref.uri",        T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	ROW_DATA("params.argument", ROLE_USER),
	ROW_DATA("params.context", ROLE_USER),
	/* Responses to the server's requests: a sampled message, a filled form, the roots. */
	ROW_DATA("params.inputResponses", ROLE_USER),
	ROW_DATA("result", ROLE_USER),
	ROW_DATA("error", ROLE_USER),
	/* notifications/cancelled, notifications/progress; prose: ok cancelled */
	{ "params.requestId",      T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	{ "params.progressToken",  T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	{ "params.taskId",         T_ANY,             ROLE_OTHER, F_RESERVED, 0 },
	{ 0 },
};
/* The names that peers give themselves, and the words of their messages. */
static const struct name_row names[] = {
	WORD("params.clientInfo.name"),
	WORD("params.clientInfo.version"),
	{ "params.capabilities", NAME_KEYS },
	WORD("params.argument.name"),
	WORD("params.level"),
	WORD("result.type"),
	WORD("result.role"),
	WORD("result.model"),
	WORD("result.stopReason"),
	WORD("result.action"),
	WORD("result.content.type"),
	WORD("result.content.id"),
	WORD("result.content.toolUseId"),
	WORD("result.content.mimeType"),
	WORD("result.content[*].type"),
	WORD("result.content[*].id"),
	WORD("result.content[*].name"),
	WORD("result.content[*].toolUseId"),
	WORD("result.content[*].mimeType"),
	{ 0 },
};
/* Values of the server that the client returns unchanged. */
static const struct seal_row seals[] = {
	{ "params.cursor",         NULL, 0, NULL },
	{ "params.requestState",   NULL, 0, NULL },
	{ 0 },
};
/* clang-format on */

static const struct table table_mcp = {
	.json = true, .no_models = true, .rows = rows, .names = names, .seals = seals, .tree = TREE
};

const struct dialect dialect_mcp = {
	.name = "mcp",
	.main = &table_mcp,
	.other = &table_mcp,
	/* The error for a message without an id. If the client waits for a response,
	 * scan/mcp/refusal.h writes an error with its id. */
	.error = "{'jsonrpc':'2.0','id':null,'error':{'code':%n,'message':%m,"
		 "'data':{'code':'%c'}}}",
	.stream_event = "message",
};
