/* Dialects: families of wire formats. A family's endpoints are rows by path; each says by
 * which table a request's body is read. What else differs between providers is the error
 * document, the usage counts, the stream's events. */
#ifndef SCAN_DIALECT_DIALECT_H
#define SCAN_DIALECT_DIALECT_H

#include "base/buf.h"
#include "base/price/price.h"
#include "scan/text/body.h"

struct dialect;
struct table;

/* "openai", "gemini", "rest", …; NULL where unknown. */
const struct dialect *dialect_find(struct span name);
const char *dialect_name(const struct dialect *d);
/* All names, for messages: "openai, anthropic, …, rest". */
const char *dialect_names(void);
/* The family that speaks on this path where a route does not say: those paths that
 * tell it ("/v1/messages" → anthropic); `rest` by default. `refused`: its client is told that
 * no route leads there, and a guess is better than none. */
const struct dialect *dialect_for_path(struct span path, bool refused);
/* What the body says its conversation is called: an id or a cache key; empty: nothing, or it
 * holds many requests. */
struct span dialect_conversation(const struct body *b);
/* True where bodies of the family name a model. */
bool dialect_has_model(const struct dialect *d);
/* True of the dialect `mcp`: each body is a message of scan/mcp/message.h, and is refused as
 * one. */
bool dialect_is_of_mcp(const struct dialect *d);

/* What a request's method and path say in a family. */
struct endpoint {
	/* As which it speaks: Ollama's /v1/chat/completions is openai. */
	const struct dialect *dialect;
	const struct dialect *family; /* whose rows were looked at */
	/* "chat", "responses", "generate", "converse", …; NULL: no row knows the path, and
	 * all strings of the body are text without a role, or as far as it looks like the
	 * family's main format, with one */
	const char *name;
	const struct table *table; /* how the body reads; never NULL */
	size_t model, model_end;   /* the bytes of the path that name the model; 0: none */
	bool streams;		   /* the path says that the answer is a stream */
	bool stored;		   /* the answer was made before: a GET of it */
	bool unseen;		   /* a model runs, and no answer says what it took */
	bool free;		   /* providers take nothing for it; no model runs */
	/* what it opens, or acts on, is a session that passes beside the gate */
	bool beside;
	bool bare_models;	   /* its family's: "models/x" in a body is x */
};
/* It answers with images, as many as the body's choices; nothing caps the tokens of one. */
bool endpoint_draws(const struct endpoint *e);
/* `path` raw, without query. What is before a row's path (a base URL's) does not matter. */
struct endpoint dialect_endpoint(const struct dialect *d, struct span method, struct span path);
/* That of a body whose path is not known: the family's main format. */
const struct table *dialect_table(const struct dialect *d);
/* True where the path after `prefix` is one of the family's, whole: what `match: {api}` of
 * a route stands for. An empty method is any. */
bool dialect_serves(
	const struct dialect *d, struct span method, struct span path, struct span prefix);

/* Merges what the path says into a body that was read, or was not there (*b zeroed): its
 * model, and whether it streams. 0, or ERR_SYNTAX with *why filled (400 ambiguous_model:
 * the body names another), ERR_NOMEM. */
int endpoint_settle(const struct endpoint *e, struct span path, struct arena *a, struct body *b,
	struct body_refusal *why);
/* Where an escape of the path may spell a separator: in the model's segment. 0, or
 * ERR_SYNTAX with *why filled (400 ambiguous_path: elsewhere, or the model is no normal
 * path when decoded). */
int endpoint_check_path(const struct endpoint *e, struct span path, struct body_refusal *why);

/* One line of JSON in the caller's dialect; the decision's id is in it.
 * OpenAI {"error":{"message","type","param","code"}}, Anthropic {"type":"error",
 * "error":{"type","message"},"request_id"}. `type` and `code` follow from the
 * status unless code is given. `message` never holds prompt text. */
void dialect_error(const struct dialect *d, int status, const char *code, struct span message,
	struct span id, struct buf *out);
/* How a family says that a prompt is longer than its model reads: clients make theirs shorter
 * on these words. `endpoint`: its name, or NULL. In the arena, or fixed. */
struct span dialect_too_long(const struct dialect *d, const char *endpoint, uint64_t tokens,
	uint64_t window, struct arena *a);
/* What the header x-amzn-errortype of an answer with such a document says; empty: there is none
 * in this dialect. A view of it. */
struct span dialect_error_type(const struct dialect *d, struct span document);
/* The document that ends a stream already begun with an error. `endpoint`: its name, NULL where
 * it is not known. The type of its event (SSE's event:, Amazon's :exception-type), "" for none.
 */
const char *dialect_stream_error_data(const struct dialect *d, const char *endpoint,
	const char *code, struct span message, struct span id, struct buf *out);
/* The same where the stream has no events with types: lines, an array, AWS' frames. */
void dialect_line_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out);
/* The same as an event of the dialect's streams, ready to write. */
void dialect_stream_error(const struct dialect *d, const char *endpoint, const char *code,
	struct span message, struct span id, struct buf *out);

/* The ids of the JSON-RPC requests in a body (MCP), as they are written there, a line each, in
 * *out: none where it is no JSON-RPC (no member `jsonrpc`), or too long to look. 0 or
 * ERR_NOMEM. */
int dialect_rpc_ids(struct span body, struct arena *keep, struct span *out);
/* What ends a stream for each of them: without an answer of its id a client waits on. */
void dialect_rpc_error(struct span ids, const char *code, struct span message, struct span id,
	struct buf *out);

/* Of an id, none of which is as a rule a secret; all 0: there is none. */
struct file_name {
	unsigned char hash[16];
};

struct usage {
	bool known; /* input and output were given, and every count is a plain integer */
	int64_t input_tokens, output_tokens; /* totals, cached and reasoning tokens included */
	int64_t cached_tokens;
	bool input_seen, output_seen, spoilt; /* of a stream, over its events */
	/* what it says apart, as it says it: parts of each other, which usage_split() undoes */
	struct price_usage details;
	struct file_name made; /* of what an answer that is whole calls itself; also where
				  nothing is known */
};

/* The same with each token in one kind only, for price_cost(); nothing where it is not known.
 * Where parts are more than the whole, what costs most stays. */
struct price_usage usage_split(const struct usage *u);

/* reasons.c: whether the model may make tokens that are charged and are in no answer, asked
 * like this (`b` NULL: not known how). What is not known may. */
bool dialect_may_reason(const struct dialect *d, struct span model, const struct body *b);
/* The answer may only say that the request is taken on: a batch, the file of one, a response in
 * the background. What is made of it is fetched later, and not counted again. */
bool dialect_takes_on(const struct endpoint *e, const struct body *b);

/* The requests of its body are served as a batch, at its price. */
bool dialect_batches(const struct endpoint *e);
/* It is the file of a batch, kept until a job names it. */
bool dialect_batch_file(const struct endpoint *e, const struct body *b);
/* The files that a batch's job names and takes its requests from: how many, at most `max` of
 * them in *out. */
size_t dialect_job_files(
	const struct endpoint *e, const struct body *b, struct file_name *out, size_t max);
struct file_name file_name_of(struct span id);
bool file_named(const struct file_name *f);

/* The edit that makes a streaming provider report usage, where this dialect
 * needs one and the caller did not ask; 1 = *edit filled, 0 = none needed. */
int dialect_ask_usage(const struct body *b, struct splice *edit);
/* What else is changed in a body. */
struct amendment {
	struct span model;	 /* to be sent; empty: as it is */
	uint64_t cap_tokens;	 /* the most that any output cap may say; 0: as it is */
	uint64_t ceiling_tokens; /* likewise, but where none is stated none is written; 0 */
	bool model_in_path;	 /* a body that names none needs none */
	/* the cap of requests that state none; 0: cap_tokens, or none */
	uint64_t missing_tokens;
};
/* Of a request whose largest cap is `stated` (-1: it states none) that which is sent; -1: none.
 */
int64_t dialect_amended_cap(const struct amendment *am, int64_t stated);
/* Whether a request of the body states no cap, and one can be written into it; a body on a path
 * that nobody knows must look as the family's do. */
bool dialect_lacks_cap(const struct body *b);
/* The most edits of dialect_amend. */
size_t dialect_amend_max(const struct body *b);
/* The edits that make it so; what a request of the body lacks is put in front of its first
 * member. None where the body is no JSON, or its format knows neither. The count,
 * ERR_NOMEM, or ERR_UNSUPPORTED: a cap is missing, and nobody knows what it is called. */
int dialect_amend(const struct body *b, const struct amendment *am, struct arena *a,
	struct splice *edits);
/* The edit that puts another model into the path; 1 = *edit filled, 0 = none needed,
 * ERR_NOMEM. */
int endpoint_amend(const struct endpoint *e, struct span path, struct span model,
	struct arena *a, struct splice *edit);

/* Adds how often tools that the provider runs, and that are paid by the use (kinds of
 * PRICE_EACH), may be used by the requests of a body; `otherwise`: each one that says no
 * number; `tools`: which they are, n 0: web searches and code interpreters. 0, ERR_NOMEM, or
 * the JSON reader's error. */
int dialect_offered(const struct body *b, struct span raw, const struct price_tool *tools,
	size_t n, uint64_t otherwise, struct arena *a, struct price_usage *out);
/* What a body says that prices depend on; its requests may differ. In the arena. 0 or
 * ERR_NOMEM. */
int dialect_asked(
	const struct body *b, struct span raw, struct arena *a, struct price_asked *out);
/* The names of the tools whose results the requests of a body bring, each once, sorted; ""
 * where neither the result names its tool nor a call of the same request has its id. Views of
 * raw and of the arena. 0, ERR_NOMEM, ERR_LIMIT (more than CAP_TOOL_RESULTS), ERR_TRUNCATED
 * (raw is not all of it), or the JSON reader's error. */
int dialect_results(
	const struct body *b, struct span raw, struct arena *a, struct span **names, size_t *n);
/* The region that a path (Vertex' location) or a model (an ARN's, or a profile's us., eu.)
 * names; empty: none. A view. */
struct span dialect_region(struct span path, struct span model);
/* A message that clients of MCP servers send, in JSON-RPC: it asks for tools and for what they
 * do, and runs no model. */
bool dialect_is_mcp(struct span json, struct arena *a);

#endif
