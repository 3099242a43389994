/* The simulated provider: declarations for server.c (sockets, HTTP), answer.c (the dialect),
 * say.c (the texts) and the file of each dialect. One thread, one event loop; a test program,
 * not part of the product. */
#ifndef MOCK_H
#define MOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define MOCK_SEEN_MAX	    16384	 /* requests kept for /_seen */
#define MOCK_SEEN_BYTES_MAX (4ull << 30) /* of their bytes: older ones are removed */
#define MOCK_BODY_MAX	    (64u << 20)	 /* request body: 413 */
#define MOCK_HEAD_MAX	    (1u << 20)

struct mock_field {
	struct span name, value; /* name in lower case */
};

struct mock_request {
	struct span method, target; /* target with its query, as received */
	struct span path;	    /* target without the query */
	const struct mock_field *fields;
	size_t nfields;
	struct span body;
};

/* A place in a stream, in events from its start or from its first event with content. */
struct mock_where {
	bool is, of_content;
	size_t n;
};

/* The settings of POST /_control for the next responses (control.c has the meanings). */
struct mock_control {
	int status; /* 0: the usual one */
	const struct fault *fault;
	long times; /* remaining responses; -1: until replaced */
	char *only; /* NULL: every request */
	double delay_s, chunk_s, hold_s;
	size_t chunk_bytes; /* 0: not split */
	int64_t cut_after;  /* body bytes; 0: not even a head; -1: all of it */
	int64_t cut_into;   /* bytes after `cut` */
	json_t *headers;    /* object, or NULL */
	int64_t length; /* tokens that each choice takes, or its limit; 0: the usual number */
	json_t *usage;	    /* object, JSON null (no usage at all), or NULL */
	size_t event_chars; /* of text in one event; 0: a word */
	long pings;
	struct mock_where error, hold, cut;
	struct buf body; /* with `exact`: the complete response body */
	bool exact;
	/* the complete response, head included, and then the end; empty: the usual response */
	struct buf wire;
	bool reset;   /* the end is a reset */
	bool stays;   /* the connection stays open after `wire` */
	bool at_head; /* the response does not wait for the request's body */
	char content_type[128];
	json_t *then; /* the settings that follow */
};
extern struct mock_control mock_control;
extern const struct mock_control mock_plain; /* no setting */

/* Reads the body of POST /_control: true, and it replaces the setting. */
bool mock_control_set(struct span body);
/* Returns whether the setting applies to this request. */
bool mock_control_is_for(const struct mock_request *r);
/* Counts one response; after `times` responses, the next setting applies. Called after the
 * response was built. */
void mock_control_used(void);

/* A response, before framing. Events of a stream end at the offsets in `ends`; anything else is
 * one body. */
struct mock_answer {
	int status;
	bool stream;
	enum { MOCK_SSE, MOCK_LINES, MOCK_ARRAY, MOCK_EVENTSTREAM } framing; /* of its events */
	const char *content_type;
	const char *head; /* additional lines of the head, or NULL */
	struct buf body;
	size_t *ends;
	size_t nends, ends_size;
	size_t content;	 /* events before the first with content */
	int64_t in, out; /* tokens that it used */
};

/* Returns the next piece of *s for one event: a word with the white space around it, or as many
 * characters as /_control sets. The pieces together are the text. */
struct span mock_next_piece(struct span *s);
extern size_t mock_pieces; /* of this response so far */
void mock_event_end(struct mock_answer *out);
size_t mock_at(const struct mock_where *w, const struct mock_answer *a);
/* Adds an event in out->framing; `type` is its name in SSE and event streams, or NULL. Takes
 * ownership of doc. */
void mock_event(struct mock_answer *out, const char *type, json_t *doc);
/* Adds Bedrock's exception instead of an event. Takes ownership of doc. */
void mock_exception(struct mock_answer *out, const char *type, json_t *doc);
/* After the last event of a stream. */
void mock_events_end(struct mock_answer *out);
/* Appends the document; takes ownership of it. */
void mock_put(struct buf *out, json_t *doc);
json_t *mock_text(struct span s);
void mock_base64(struct buf *out, struct span s);

/* ---- errors ---- */

enum mock_errors {
	MOCK_OPENAI,
	MOCK_RESPONSES,
	MOCK_ANTHROPIC,
	MOCK_GEMINI,
	MOCK_BEDROCK,
	MOCK_COHERE,
	MOCK_MISTRAL,
	MOCK_OLLAMA,
	MOCK_TGI
};
/* NULL: there is no fault of this name. */
const struct fault *mock_fault(const char *name);
/* The response is the dialect's error document, of the fault in force if there is one; status
 * 0: the status of that fault. */
void mock_error(
	struct mock_answer *out, int status, enum mock_errors errors, struct span model);
/* The stream ends with an error after so many events; unchanged if it has fewer. */
void mock_error_in_stream(
	struct mock_answer *out, size_t events, enum mock_errors errors, struct span model);

#define MOCK_CREATED 1767225600 /* the same in each response: bodies are deterministic */
#define MOCK_TIME    "2026-01-01T00:00:00Z"

/* Tokens: in includes cached and written, out includes reasoning. */
struct mock_counts {
	int64_t in, out, cached, written, reasoning;
	bool none;
};

/* The content of a response, whatever the dialect. */
struct mock_say {
	uint64_t serial;
	json_t *req;
	struct span model;
	struct span thinking, text; /* "": none */
	bool cites;		    /* the text is a quotation */
	struct span tool;	    /* "": no tool is called */
	struct span space;	    /* the namespace of the tool, or "" */
	struct span args;	    /* its arguments, an object */
	struct span more;	    /* the arguments of a second call at the same time, or "" */
	int n;			    /* choices */
	struct mock_counts c;
	bool include_usage; /* stream_options */
	bool whole_calls;   /* a stream has the tool call in one event */
	bool sse;	    /* ?alt=sse */
	struct buf memory[3];
};
/* Reads the request; `in_path` is the model that the path names, or "". False: a member that
 * this dialect needs is missing. */
bool mock_say_read(struct mock_say *s, const struct mock_request *r, struct span in_path);
void mock_say_free(struct mock_say *s);
int64_t mock_words(struct span s);
/* Additional members of /_control's "usage" (prompt_tokens_details, …), with a comma each. */
void mock_usage_extra(struct buf *b);

/* The response of one dialect: a stream if out->stream. */
typedef void mock_writer(struct mock_answer *out, const struct mock_say *s);
mock_writer mock_openai_chat, mock_openai_completion, mock_openai_embeddings, mock_responses,
	mock_anthropic, mock_anthropic_count, mock_gemini, mock_gemini_count, mock_gemini_embed,
	mock_bedrock_converse, mock_bedrock_invoke, mock_cohere_chat, mock_cohere_embed,
	mock_cohere_rerank, mock_ollama_chat, mock_ollama_generate, mock_ollama_embed,
	mock_tgi_generate;

/* Returns in *out the dialect's response to the request, with the setting of /_control.
 * `serial` is the number of the response. *out is cleared and reused. */
void mock_answer(const struct mock_request *r, uint64_t serial, struct mock_answer *out);

/* The received requests, newest last, as a JSON array. */
struct mock_seen {
	uint64_t serial, connection;
	char *bytes; /* method, target, fields, body, each NUL-terminated length-counted */
	size_t nbytes;
	size_t method_n, target_n, body_n, nfields;
	size_t *field_n;	/* name and value lengths, in turn */
	const char *ended;	/* pending, complete, cut, aborted */
	double began, ended_at; /* seconds since the epoch */
	int status;
	int64_t in, out; /* tokens that its response used */
};
/* Keeps a copy; the serial identifies it to mock_seen_end. */
void mock_seen_add(const struct mock_request *r, uint64_t serial, uint64_t connection);
/* Notes the response of a request. */
void mock_seen_answer(uint64_t serial, const struct mock_answer *a);
void mock_seen_end(uint64_t serial, const char *how);
/* Sums over all requests since the last mock_seen_forget(), including those no longer kept. */
void mock_seen_count(struct buf *out);
void mock_seen_write(struct buf *out, size_t last);
void mock_seen_forget(void);

const struct mock_field *mock_field(const struct mock_request *r, const char *name);

#endif
