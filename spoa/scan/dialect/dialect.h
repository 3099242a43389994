/* Dialects: families of wire formats (OpenAI, Anthropic, Gemini, …). A family lists its
 * endpoints as rows by method and path. Each row names the table by which a request's body is
 * read. Families also differ in their error documents, in the places of usage counts, and in
 * the events of streams.
 *
 * All functions are pure apart from allocation in the caller's arena, and may be called by any
 * thread. The families are constants. */
#ifndef SCAN_DIALECT_DIALECT_H
#define SCAN_DIALECT_DIALECT_H

#include "base/buf.h"
#include "base/price/price.h"
#include "scan/text/body.h"

struct dialect;
struct table;

/* Returns the family with this configured name ("openai", "gemini", "rest", …), or NULL if no
 * family has the name. */
const struct dialect *dialect_find(struct span name);
const char *dialect_name(const struct dialect *d);
/* Returns the names of all families for messages: "openai, anthropic, …, rest". The string is
 * static. */
const char *dialect_names(void);
/* Returns the family that a path identifies if the route does not configure one, for example
 * anthropic for "/v1/messages". Returns `rest` if the path identifies none. `refused`: no route
 * matches the request, and the caller needs a family only for the error document; weaker hints
 * in the path count too. */
const struct dialect *dialect_for_path(struct span path, bool refused);
/* Returns the name that a body gives its conversation: an id or a cache key. Empty if the body
 * names none, or holds several requests. A view of the body. */
struct span dialect_conversation(const struct body *b);
/* Returns true if bodies of the family name a model. */
bool dialect_has_model(const struct dialect *d);
/* Returns true for the dialect `mcp`. Each of its bodies is a message that scan/mcp/message.h
 * reads, and errors take the form of that protocol. */
bool dialect_is_of_mcp(const struct dialect *d);

/* The meaning of a request's method and path in a family. dialect_endpoint() returns it by
 * value; pointers in it are to constants. */
struct endpoint {
	/* The family whose errors, usage and streams the endpoint has. For Ollama's
	 * /v1/chat/completions this is openai. */
	const struct dialect *dialect;
	const struct dialect *family; /* the family whose rows were searched */
	/* The row's name: "chat", "responses", "generate", "converse", …. NULL if no row
	 * matches the path. The body is then read by the family's lenient table if the family
	 * has one: members that look like its main format have roles. Otherwise all strings are
	 * text without a role. */
	const char *name;
	const struct table *table; /* the table that reads the body; never NULL */
	/* Bytes [model, model_end) of the path name the model. model_end 0: the path names
	 * none. */
	size_t model, model_end;
	bool streams; /* the path requests a streamed response */
	/* a GET of something that was created earlier, such as a stored response */
	bool stored;
	/* the provider runs a model, but no response reports its usage */
	bool unseen;
	/* a POST may have no body: the row has no table that demands JSON, as for a cancel, or
	 * has E_EMPTY */
	bool may_be_empty;
	bool free; /* providers do not charge for the request; no model runs */
	/* the request creates or controls a session whose traffic does not pass the gateway */
	bool beside;
	/* responses may hold a URL of the provider that clients follow (urls.h), so they must
	 * pass the relay */
	bool leads;
	bool bare_models; /* the family writes "models/x" in a body for the model x */
};
/* Returns true if the endpoint generates images. The number of images is the body's number of
 * choices, and no parameter limits the tokens of one image. */
bool endpoint_makes_images(const struct endpoint *e);
/* Finds the row of a method and path. `path` is undecoded and without query. A prefix of the
 * path before the row's own (a base URL's) is ignored. */
struct endpoint dialect_endpoint(const struct dialect *d, struct span method, struct span path);
/* Finds the prefix of a path that is none of the API's own: *n is its length in bytes, 10 for
 * /anthropic/v1/messages. Returns false, with *n 0, if no row matches the path. */
bool dialect_prefix(const struct dialect *d, struct span path, size_t *n);
/* Returns the table of the family's main format, for a body whose path is unknown. Never
 * NULL. */
const struct table *dialect_table(const struct dialect *d);
/* Returns true if the part of `path` after `prefix` is one of the family's paths, with a base
 * of the family before it. A route's `match: {api}` uses this function. An empty method matches
 * any. */
bool dialect_serves(
	const struct dialect *d, struct span method, struct span path, struct span prefix);

/* Merges the model and the stream flag of the path into a body. *b is all zero if the request
 * has no body. Returns 0, ERR_NOMEM, or ERR_SYNTAX with *why filled if the body names another
 * model than the path (400 ambiguous_model). */
int endpoint_settle(const struct endpoint *e, struct span path, struct arena *a, struct body *b,
	struct body_refusal *why);
/* Checks that the provider cannot split the path differently. Encoded slashes and colons are
 * allowed only in the segment of the model. Returns 0, or ERR_SYNTAX with *why filled (400
 * ambiguous_path) if one occurs elsewhere, or if the decoded model has an empty or a dot
 * segment. */
int endpoint_check_path(const struct endpoint *e, struct span path, struct body_refusal *why);

/* Appends an error document in the caller's dialect to `out`: one line of JSON that includes
 * the decision's id. OpenAI: {"error":{"message","type","param","code"}}. Anthropic:
 * {"type":"error","error":{"type","message"},"request_id"}. `type` and `code` follow from the
 * status, unless `code` is given. `message` must not contain text of the prompt. */
void dialect_error(const struct dialect *d, int status, const char *code, struct span message,
	struct span id, struct buf *out);
/* Returns the message by which a family reports that a prompt of `tokens` exceeds the model's
 * window of `window` tokens. Clients look for this wording and then shorten the conversation.
 * `endpoint`: the endpoint's name, or NULL. The result is in the arena, or static. */
struct span dialect_too_long(const struct dialect *d, const char *endpoint, uint64_t tokens,
	uint64_t window, struct arena *a);
/* Returns the value of the header x-amzn-errortype for a response with this error document.
 * Empty if the dialect has no such header. A view of `document`. */
struct span dialect_error_type(const struct dialect *d, struct span document);
/* Appends the error document that ends a stream after it has begun. `endpoint`: the endpoint's
 * name, or NULL if unknown. Returns the type of the event (SSE's `event:`, Amazon's
 * :exception-type), or "" if the event has none. */
const char *dialect_stream_error_data(const struct dialect *d, const char *endpoint,
	const char *code, struct span message, struct span id, struct buf *out);
/* Like dialect_stream_error_data(), for streams whose events have no type: JSON lines, a JSON
 * array, AWS frames. */
void dialect_line_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out);
/* Appends the same error as a complete event of the dialect's streams, framing included. */
void dialect_stream_error(const struct dialect *d, const char *endpoint, const char *code,
	struct span message, struct span id, struct buf *out);

/* Collects the ids of the JSON-RPC requests in a body (MCP), one a line, as the body spells
 * them. *out is empty if the body is not JSON-RPC (no member `jsonrpc`) or is too long to
 * search. *out is kept in `keep`. Returns 0 or ERR_NOMEM. */
int dialect_rpc_ids(struct span body, struct arena *keep, struct span *out);
/* Appends an error event for each of these ids. Without a response to its id, a client would
 * wait for ever. */
void dialect_rpc_error(struct span ids, const char *code, struct span message, struct span id,
	struct buf *out);

/* A hash of a provider's id. Ids can be secrets, so the gateway stores only hashes. All bytes
 * 0: no id. */
struct file_name {
	unsigned char hash[16];
};

struct usage {
	/* input and output were both reported, and every count is a plain integer */
	bool known;
	/* totals in tokens, including cached and reasoning tokens */
	int64_t input_tokens, output_tokens;
	int64_t cached_tokens;
	/* state while the events of a stream are merged */
	bool input_seen, output_seen, spoilt;
	/* The counts by kind as the provider reports them. Some include others; usage_split()
	 * separates them. */
	struct price_usage details;
	/* The hash of the id that a whole response gives itself. Set even if the usage is
	 * unknown. */
	struct file_name made;
};

/* Returns the usage with each token counted in one kind only, for price_cost(). All 0 if the
 * usage is unknown. If the parts exceed the total, the most expensive parts are kept. */
struct price_usage usage_split(const struct usage *u);

/* Returns true if the model may generate tokens that are charged but do not appear in the
 * response, for a request with these parameters. `b` NULL: the parameters are unknown. Unknown
 * models return true. */
bool dialect_may_reason(const struct dialect *d, struct span model, const struct body *b);
/* Returns true if the family's services are known to generate, and to bill, the whole response
 * even if the connection closes before its end. Source: "Stream Cancellation" in OpenRouter's
 * documentation of 2026-11-30 (openrouter.ai/docs/api/reference/streaming). `d` may be NULL. */
bool dialect_bills_on(const struct dialect *d);
/* Returns true if the response may only confirm that the provider accepted the request: a
 * batch, the file of one, a response in the background. The client fetches the results later;
 * they are not counted again. */
bool dialect_responds_later(const struct endpoint *e, const struct body *b);
/* Returns true if the body has `background: true`: the provider answers at once, and the client
 * fetches the response by a GET of the request's path and the response's id. `raw`: the body as
 * JSON. The arena is used while reading. */
bool dialect_in_background(const struct body *b, struct span raw, struct arena *a);

/* Returns true if the provider serves the requests of the body as a batch, at the batch
 * price. */
bool dialect_batches(const struct endpoint *e);
/* Returns true if the body uploads the file of a batch, which the provider keeps until a job
 * names it. */
bool dialect_batch_file(const struct endpoint *e, const struct body *b);
/* Finds the files whose requests a batch job runs. Stores at most `max` of their hashes in *out
 * and returns how many the job names. */
size_t dialect_job_files(
	const struct endpoint *e, const struct body *b, struct file_name *out, size_t max);
struct file_name file_name_of(struct span id);
bool file_name_known(const struct file_name *f);

/* Makes the edit by which a streaming provider reports usage, if the dialect needs one and the
 * caller did not ask. Returns 1 if *edit was filled, 0 if none is needed. */
int dialect_ask_usage(const struct body *b, struct splice *edit);
/* The other changes to a body. */
struct amendment {
	struct span model; /* the model to send; empty: unchanged */
	/* highest output limit in tokens that a request may state; 0: unchanged */
	uint64_t cap_tokens;
	/* like cap_tokens, but a request that states no limit stays without one; 0: none */
	uint64_t ceiling_tokens;
	bool model_in_path; /* a body that names no model needs none */
	/* the limit in tokens for requests that state none; 0: cap_tokens, or none */
	uint64_t missing_tokens;
};
/* Returns the output limit that is sent for a request whose largest stated limit is `stated`
 * tokens (-1: none stated). -1: none is sent. */
int64_t dialect_amended_cap(const struct amendment *am, int64_t stated);
/* Returns true if a request of the body states no output limit and the gateway can add one. A
 * body with an unknown path must look like the family's own. */
bool dialect_lacks_cap(const struct body *b);
/* Returns the maximum number of edits of dialect_amend(). */
size_t dialect_amend_max(const struct body *b);
/* Makes the edits that apply `am`. Members that a request lacks are inserted before its first
 * member. Returns the number of edits (0 if the body is not JSON or its format has neither
 * model nor limit), ERR_NOMEM, or ERR_UNSUPPORTED if a required limit is missing and its
 * member's name is unknown. `edits` has room for dialect_amend_max() edits. */
int dialect_amend(const struct body *b, const struct amendment *am, struct arena *a,
	struct splice *edits);
/* Makes the edit that replaces the model in the path. Returns 1 if *edit was filled, 0 if none
 * is needed, ERR_NOMEM. */
int endpoint_amend(const struct endpoint *e, struct span path, struct span model,
	struct arena *a, struct splice *edit);

/* Adds to *out how often the requests of a body may use tools that the provider runs and
 * charges by use (kinds of PRICE_EACH). `otherwise`: the number for a tool without a stated
 * maximum. `tools`: the tools that are charged; n 0: web searches and code interpreters.
 * Returns 0, ERR_NOMEM, or the JSON reader's error. */
int dialect_count_tool_uses(const struct body *b, struct span raw, const struct price_tool *tools,
	size_t n, uint64_t otherwise, struct arena *a, struct price_usage *out);
/* Collects the parameters of a body that prices depend on. If its requests differ, the value is
 * "auto". *out is in the arena. Returns 0 or ERR_NOMEM. */
int dialect_price_parameters(
	const struct body *b, struct span raw, struct arena *a, struct price_asked *out);
/* Collects the names of the tools whose results the body contains, each once, sorted. A result
 * has the name "" if neither the result nor a call with its id in the same request names the
 * tool. The names are views of `raw` and of the arena. Returns 0, ERR_NOMEM, ERR_LIMIT (more
 * than CAP_TOOL_RESULTS), ERR_TRUNCATED (`raw` is incomplete), or the JSON reader's error. */
int dialect_results(
	const struct body *b, struct span raw, struct arena *a, struct span **names, size_t *n);
/* The results of tools in a body, and where its messages begin. */
struct result_places {
	struct result_place {
		size_t start, end; /* in the raw bytes, from { to } */
		struct span tool;  /* empty: unknown, or the body gives several names */
	} * v;			   /* sorted by `start` */
	size_t n;
	size_t *turns; /* offsets of the messages in the raw bytes, ascending in each request */
	size_t nturns;
};
/* Memory and errors are those of dialect_results(), except that any number is returned. */
int dialect_result_places(
	const struct body *b, struct span raw, struct arena *a, struct result_places *out);
/* Returns the region that a path (Vertex' location) or a model (an ARN, or a profile's us.,
 * eu.) names; empty if neither names one. A view. */
struct span dialect_region(struct span path, struct span model);
/* Returns true if the JSON is a JSON-RPC message that clients send to MCP servers. Such a
 * message asks for tools or calls them, and runs no model. */
bool dialect_is_mcp(struct span json, struct arena *a);

#endif
