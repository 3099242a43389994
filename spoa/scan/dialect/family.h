/* What a family is made of. Private to dialect/. */
#ifndef SCAN_DIALECT_FAMILY_H
#define SCAN_DIALECT_FAMILY_H

#include "scan/dialect/usage.h"
#include "scan/mcp/refusal.h"
#include "scan/text/table.h"

enum {
	E_STREAMS = 1, /* the verb of the path makes the answer a stream */
	E_STORED = 2,  /* the answer was made before */
	E_ROOT = 8,    /* `api` means it without a base */
	E_TWO = 4,     /* the model is the segment before, too: tunedModels/x */
	E_UNSEEN = 16, /* it has a model run of which no answer says what it took */
	E_FREE = 32,   /* providers take nothing for it */
	E_BESIDE = 64, /* a session of it passes beside the gate: WebRTC, SIP, a secret for one */
};

/* path = segment { segment } [ "/{more}" ]; segment = "/" ( literal | "{model}" [ literal ] |
 * "{id}" ). {id} is any one segment; {more}, any number of segments at the end, needs one of
 * the family's bases in front. The longest row that matches is taken, of equal ones the first.
 * A row with {more} is taken only if no other row with a base in front matches. */
struct endpoint_row {
	const char *method; /* NULL: any */
	const char *path;
	const char *name;
	const struct table *table; /* NULL: table_any */
	unsigned flags;
};

/* The column of error.c that names the types of errors. */
enum error_types {
	TYPES_OPENAI,
	TYPES_ANTHROPIC,
	TYPES_GOOGLE,
	TYPES_BEDROCK,
	TYPES_TGI,
	TYPES
};

/* How answers stream: events of SSE, lines, frames of Amazon's. */
enum stream_kind { STREAM_SSE, STREAM_LINES, STREAM_FRAMES };

struct dialect {
	const char *name;
	const struct endpoint_row *endpoints; /* path NULL last */
	const char *const *tells; /* paths that no other family has, as rows'; NULL last */
	const char *const *hints; /* those that any API may have: for errors only */
	const char *const *bases; /* what is before a row's path, as rows'; NULL last */
	const struct table *main, *other; /* of paths that no row knows; NULL: table_rest */
	const struct usage_row *usage;	  /* of a whole response; path NULL last */
	bool bare_models;		  /* "models/x" in a body is the x of a path */
	enum error_types types;
	/* Forms of base/codec/error_form.h: a document; what ends a stream, and one of lines,
	 * where that is no such document (NULL: it is). */
	const char *error, *stream_error, *line_error;
	enum stream_kind stream;
	const char
		*stream_event; /* of an error in it; NULL: none. No normal end comes after it */
};

/* Rows by their last segment that is no placeholder, and how many are after it; those with {more}
 * are a list. In their order; as row + 1, 0: the end. */
enum { ENDPOINT_BUCKETS = 128, ENDPOINT_BEHIND = 2, ENDPOINTS_MOST = 192 };
struct endpoint_index {
	const struct endpoint_row *rows;
	uint16_t first[ENDPOINT_BUCKETS], open, next[ENDPOINTS_MOST];
};
/* Into one that is all zero; `rows` NULL: none. */
void endpoint_index_make(struct endpoint_index *x, const struct endpoint_row *rows);
/* paths.c: the row of a path; NULL: none. `whole`: with a base of the family before it. */
const struct endpoint_row *endpoint_row_find(const struct dialect *d,
	const struct endpoint_index *x, struct span method, struct span path, bool whole,
	struct span *model);
/* The bases of a family that has none. */
extern const char *const no_base[];
/* Whether the path ends as one of them. */
bool endpoint_is_among(const char *const *paths, struct span path);

extern const struct dialect dialect_openai, dialect_anthropic, dialect_gemini, dialect_bedrock,
	dialect_cohere, dialect_mistral, dialect_ollama, dialect_tgi, dialect_mcp, dialect_rest;

/* Tables that more than one family reads by. */
extern const struct table table_rest, table_any, table_mcp, table_chat, table_messages,
	table_messages_no_model, table_kept, gemini_interactions;
extern const char error_openai[]; /* a form */

/* Members below the top that say which conversation it is: conversation.c. */
#define CONVERSATION_PARAMS                                                                    \
	{ "metadata.conversation_id", "metadata.conversation_id" },                            \
		{ "metadata.session_id", "metadata.session_id" },                              \
	{                                                                                      \
		"metadata.thread_id", "metadata.thread_id"                                     \
	}

/* Rows of what a provider keeps, made before where it is read; and of what has it run a model
 * that nobody meters. */
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

/* Where clients send back what an OpenAI-like provider sealed. */
/* clang-format off */
/* Items of POST /responses, and what gateways to models that reason put into messages of
 * this shape. */
#define SEALS_OPENAI \
	{ "input[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "input[*].content[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "messages[*].reasoning_details[*].data",         "reasoning.encrypted", 1, NULL }, \
	{ "messages[*].reasoning_details[*].signature",    NULL, 1, NULL }, \
	{ "messages[*].thinking_blocks[*].signature",      "thinking", 1, NULL }, \
	{ "messages[*].thinking_blocks[*].data",           "redacted_thinking", 1, NULL }, \
	{ "messages[*].extra_content.google.thought_signature", NULL, 0, NULL }, \
	{ "messages[*].tool_calls[*].extra_content.google.thought_signature", NULL, 0, NULL }
/* clang-format on */

/* A const table's memory for its tree. */
#define TREE (&(struct tree){ NULL })

#endif
