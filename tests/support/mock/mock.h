/* The simulated provider: what server.c (sockets, HTTP) and answer.c (what the
 * providers say) share. One thread, one event loop; a test program, not part of
 * the product. */
#ifndef MOCK_H
#define MOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define MOCK_SEEN_MAX	    16384	 /* requests kept for /_seen */
#define MOCK_SEEN_BYTES_MAX (4ull << 30) /* their bytes: older ones leave earlier */
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

/* What POST /_control set: what the next answers look like. */
struct mock_control {
	int status; /* 0: as it comes */
	long times; /* answers left; -1: until replaced */
	double delay_s, chunk_s;
	size_t chunk_bytes; /* 0: not split */
	int64_t cut_after;  /* body bytes; 0: not even a head; -1: whole */
	json_t *headers;    /* object, or NULL */
	json_t *usage;	    /* object, JSON null (no usage at all), or NULL */
	char *body;	    /* exactly these bytes, or NULL */
	size_t nbody;
	char content_type[96]; /* of them */
};
extern struct mock_control mock_control;

/* Reads the body of POST /_control: true, and it replaces the setting. */
bool mock_control_set(struct span body);
/* Counts one answer; where `times` ran out, resets. Called after it was built. */
void mock_control_used(void);

/* An answer, before framing. Events of a stream end at the offsets in `ends`;
 * anything else is one body. */
struct mock_answer {
	int status;
	bool stream;
	const char *content_type;
	struct buf body;
	size_t *ends;
	size_t nends, ends_size;
};

/* Made of words: the first of s with the white space around it, so that the events of a
 * stream, put together, are the text; and the end of an event. */
struct span mock_next_word(struct span *s);
void mock_event_end(struct mock_answer *out);

#define MOCK_CREATED 1767225600 /* the same in every answer: bodies are deterministic */

struct mock_counts {
	int64_t in, out;
	bool none;
};
/* OpenAI's responses, streamed where out->stream. */
void mock_responses(struct mock_answer *out, uint64_t serial, struct span model,
	struct span text, struct mock_counts c);

/* The dialect's answer to the request, the setting of /_control applied.
 * `serial` numbers the answers. *out is cleared and reused. */
void mock_answer(const struct mock_request *r, uint64_t serial, struct mock_answer *out);

/* The requests seen, newest last, as a JSON array. */
struct mock_seen {
	uint64_t serial;
	char *bytes; /* method, target, fields, body, each NUL-terminated length-counted */
	size_t nbytes;
	size_t method_n, target_n, body_n, nfields;
	size_t *field_n;	/* name and value lengths, in turn */
	const char *ended;	/* pending, complete, cut, aborted */
	double began, ended_at; /* seconds since the epoch */
};
/* Keeps a copy; the serial identifies it to mock_seen_end. */
void mock_seen_add(const struct mock_request *r, uint64_t serial);
void mock_seen_end(uint64_t serial, const char *how);
void mock_seen_write(struct buf *out, size_t last);
void mock_seen_forget(void);

const struct mock_field *mock_field(const struct mock_request *r, const char *name);

#endif
