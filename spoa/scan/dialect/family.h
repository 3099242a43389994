/* The description of a family: its rows of paths, its tables of bodies, its forms of errors.
 * Private to dialect/. A family is a constant in the file of its name. */
#ifndef SCAN_DIALECT_FAMILY_H
#define SCAN_DIALECT_FAMILY_H

#include "scan/dialect/usage.h"
#include "scan/mcp/refusal.h"
#include "scan/text/table.h"

enum {
	E_STREAMS = 1, /* the verb in the path makes the response a stream */
	E_STORED = 2,  /* the response was created by an earlier request */
	E_ROOT = 8,    /* `api` matches the path only without a base */
	E_TWO = 4,     /* the model includes the previous segment: tunedModels/x */
	E_UNSEEN = 16, /* a model runs, but no response reports its usage */
	E_FREE = 32,   /* providers do not charge for the request */
	/* its session bypasses the gateway: WebRTC, SIP, or a client secret for one */
	E_BESIDE = 64,
	E_EMPTY = 128, /* the body may be empty, although the row's table demands JSON */
};

/* One endpoint. The grammar of `path`:
 *
 *   path    = segment { segment } [ "/{more}" ]
 *   segment = "/" ( literal | "{model}" [ literal ] | "{id}" )
 *
 * {id} matches any one segment. {more} matches any number of segments at the end, and requires
 * one of the family's bases in front. The row with the most segments that matches is used;
 * among equally long rows, the first. A row with {more} is used only if no other row matches
 * with a base in front. */
struct endpoint_row {
	const char *method; /* NULL: any */
	const char *path;
	const char *name;
	const struct table *table; /* NULL: table_any */
	unsigned flags;
};

/* The column of error.c that has the names of error types. */
enum error_types {
	TYPES_OPENAI,
	TYPES_ANTHROPIC,
	TYPES_GOOGLE,
	TYPES_BEDROCK,
	TYPES_TGI,
	TYPES
};

/* The framing of streamed responses: SSE events, JSON lines, or Amazon's frames. */
enum stream_kind { STREAM_SSE, STREAM_LINES, STREAM_FRAMES };

struct dialect {
	const char *name;
	const struct endpoint_row *endpoints; /* the last row has path NULL */
	/* paths, as in rows, that only this family has; ends with NULL */
	const char *const *tells;
	/* paths that other APIs may have too; used for error documents only; ends with NULL */
	const char *const *hints;
	const char *const *bases; /* prefixes before a row's path, as in rows; ends with NULL */
	/* `main` reads bodies of the family's main format. `other` reads bodies on paths that
	 * no row matches. NULL: table_rest. */
	const struct table *main, *other;
	/* the counts of a whole response; the last row has path NULL */
	const struct usage_row *usage;
	bool bare_models;		  /* "models/x" in a body is the x of a path */
	/* its services bill the whole response even if the connection closes before its end */
	bool bills_on;
	enum error_types types;
	/* Forms of base/codec/error_form.h: a whole document, the document that ends a stream,
	 * and the one for streams of lines. The last two are NULL if they equal `error`. */
	const char *error, *stream_error, *line_error;
	enum stream_kind stream;
	const char
		/* event type of an error in a stream, after which no normal end follows; NULL:
		 * none */
		*stream_event;
};

/* An index of a family's rows, so that a lookup compares a few rows instead of all. A row's
 * bucket depends on its last literal segment and on the number of placeholders after that
 * segment. Rows with {more} are in a list of their own (`open`). Entries are row number + 1, in
 * the order of the rows; 0 ends a list. dialect.c owns one index a family. */
enum { ENDPOINT_BUCKETS = 128, ENDPOINT_BEHIND = 2, ENDPOINTS_MOST = 192 };
struct endpoint_index {
	const struct endpoint_row *rows;
	uint16_t first[ENDPOINT_BUCKETS], open, next[ENDPOINTS_MOST];
};
/* Fills an index that is all zero. `rows` NULL: a family without rows. */
void endpoint_index_make(struct endpoint_index *x, const struct endpoint_row *rows);
/* Returns the row of a path, or NULL. `whole`: one of the family's bases must precede the row.
 * *model is the part of the path that names the model. */
const struct endpoint_row *endpoint_row_find(const struct dialect *d,
	const struct endpoint_index *x, struct span method, struct span path, bool whole,
	struct span *model);
/* The `bases` of a family whose paths have no prefix. */
extern const char *const no_base[];

extern const struct dialect dialect_openai, dialect_anthropic, dialect_gemini, dialect_bedrock,
	dialect_cohere, dialect_mistral, dialect_ollama, dialect_tgi, dialect_mcp, dialect_rest;

/* Tables that several families use. */
extern const struct table table_chat, table_messages, table_messages_no_model, table_kept;
extern const char error_openai[]; /* the form of OpenAI's error document */

/* Nested members that name the conversation: see dialect_conversation(). */
#define CONVERSATION_PARAMS                                                                    \
	{ "metadata.conversation_id", "metadata.conversation_id" },                            \
		{ "metadata.session_id", "metadata.session_id" },                              \
	{                                                                                      \
		"metadata.thread_id", "metadata.thread_id"                                     \
	}

/* Rows for things that a provider keeps. A GET returns what an earlier request created
 * (E_STORED). RUNS is for requests that run a model without any report of usage. */
#define KEPT_AT(path, name, flags)                                                             \
	{ "GET", path "/{more}", name, &table_kept, E_STORED | (flags) },                      \
	{                                                                                      \
		NULL, path "/{more}", name, &table_kept, flags                                 \
	}
#define KEPT(path, name) KEPT_AT(path, name, 0)
#define RUNS(path, name)                                                                       \
	{                                                                                      \
		"POST", path, name, &table_kept, E_UNSEEN                                      \
	}

/* Places where clients return content that a provider sealed. */
/* clang-format off */
#define SEAL(path) { path, NULL, 0, NULL }
/* Members that a message, part, item or call has itself: xAI, OpenRouter, GitHub, LiteLLM. */
#define SEALS_OWN(at) \
	SEAL(at ".signature"), \
	SEALS_NAMED(at)
#define SEALS_NAMED(at) \
	SEAL(at ".encrypted_content"), \
	SEAL(at ".reasoning_encrypted_content"), \
	SEAL(at ".reasoning_signature"), \
	SEAL(at ".reasoning_opaque"), \
	SEAL(at ".thought_signature"), \
	SEAL(at ".thoughtSignature")
/* Members in which clients and other gateways keep what another form of request has no place for:
 * LiteLLM, Google's compatible API, and the AI SDK of Vercel, which has an object for each
 * provider. */
#define SEALS_KEPT(at) \
	SEALS_OF(at ".provider_specific_fields"), \
	SEAL(at ".provider_specific_fields.thought_signatures[*]"), \
	SEALS_OF(at ".extra_content.*"), \
	SEALS_OF(at ".providerOptions.*"), \
	SEALS_OF(at ".provider_options.*"), \
	SEALS_OF(at ".providerMetadata.*"), \
	SEALS_OF(at ".provider_metadata.*"), \
	SEALS_OF(at ".callProviderMetadata.*")
#define SEALS_OF(at) \
	SEALS_OWN(at), \
	SEAL(at ".redactedData"), \
	SEAL(at ".redacted_data"), \
	SEAL(at ".encryptedContent"), \
	SEAL(at ".reasoningEncryptedContent"), \
	SEAL(at ".thinking_blocks[*].signature"), \
	SEAL(at ".thinking_blocks[*].data"), \
	SEAL(at ".reasoning_details[*].signature"), \
	SEAL(at ".reasoning_details[*].data"), \
	SEAL(at ".reasoningContentBlocks[*].reasoningText.signature"), \
	SEAL(at ".reasoningContentBlocks[*].redactedContent")
/* Items of POST /responses. */
#define SEALS_ITEMS(at) \
	SEALS_OWN(at "[*]"), \
	SEALS_KEPT(at "[*]"), \
	SEALS_OWN(at "[*].content[*]"), \
	SEALS_KEPT(at "[*].content[*]"), \
	SEALS_KEPT(at "[*].summary[*]")
/* Items of POST /responses, and members that gateways to reasoning models add to chat
 * messages. */
#define SEALS_OPENAI \
	SEALS_ITEMS("input"), \
	SEALS_KEPT("messages[*]"), \
	SEALS_OWN("messages[*]"), \
	SEALS_KEPT("messages[*].content[*]"), \
	SEALS_OWN("messages[*].content[*]"), \
	SEALS_KEPT("messages[*].tool_calls[*]"), \
	SEALS_OWN("messages[*].tool_calls[*]"), \
	SEALS_KEPT("messages[*].tool_calls[*].function"), \
	SEALS_OWN("messages[*].tool_calls[*].function"), \
	SEALS_OWN("messages[*].reasoning"), \
	{ "messages[*].reasoning_details[*].data",         "reasoning.encrypted", 1, NULL }, \
	{ "messages[*].reasoning_details[*].signature",    NULL, 1, NULL }, \
	{ "messages[*].thinking_blocks[*].signature",      "thinking", 1, NULL }, \
	{ "messages[*].thinking_blocks[*].data",           "redacted_thinking", 1, NULL }, \
	{ "messages[*].content[*].signature",              NULL, 1, ALONE_BLOCK }, \
	{ "messages[*].content[*].data",                   "redacted_thinking", 1, ALONE_BLOCK }
/* clang-format on */

/* The memory in which a constant table keeps its lazily built tree. */
#define TREE (&(struct tree){ NULL })

#endif
