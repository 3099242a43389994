/* Reading a request body: from raw bytes to segments with roles and positions,
 * and to the facts that routing, policy and quota need. No decision is made
 * here; what must be refused is returned as a struct body_refusal. */
#ifndef TEXT_BODY_H
#define TEXT_BODY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "codec/http.h"

enum seg_role {
	ROLE_OTHER, /* a string whose meaning the dialect does not know */
	ROLE_SYSTEM,
	ROLE_USER,
	ROLE_ASSISTANT,
	ROLE_TOOL_CALL,
	ROLE_TOOL_RESULT,
	ROLE_TOOL_DEFINITION,
	ROLE_DOCUMENT,
	ROLE_KEY, /* an object's key, a form field's name, a query parameter's name */
	ROLE_PATH, /* a path segment */
	ROLE_QUERY, /* a query parameter's value */
	ROLE_COUNT
};
const char *role_name(enum seg_role role); /* "user", "tool_call", … */

/* How the raw bytes spell the text: decides unescaping and re-escaping. */
enum seg_form {
	SEG_JSON,   /* between the quotes of a JSON string or key */
	SEG_NUMBER, /* a JSON number literal of seven digits or more */
	SEG_TEXT,   /* raw UTF-8 */
	SEG_FORM,   /* application/x-www-form-urlencoded or query: + and %XX */
	SEG_PERCENT, /* a path segment: %XX */
};

struct segment {
	enum seg_role role;
	enum seg_form form;
	bool reserved;	   /* routing or the dialect reads it: a finding here is denied, not rewritten */
	size_t start, end; /* raw bytes, end exclusive */
	struct span text;  /* decoded; a view of the raw bytes where nothing is escaped */
	struct span path;  /* where: messages[0].content[1].text; for people and records */
};

enum body_format { BODY_EMPTY, BODY_JSON, BODY_FORM, BODY_TEXT };

struct body {
	const struct dialect *dialect;
	enum body_format format;
	struct segment *segments;
	size_t nsegments;
	size_t inspected_bytes; /* sum of segment text */
	/* what the dialect reads; empty or -1 where absent */
	struct span model;
	bool stream;
	bool wants_usage;	/* the caller itself asked for usage in the stream */
	int64_t output_cap_tokens; /* the LARGEST declared cap; -1: none */
	int64_t choices;	/* n; 1 where absent */
	struct span *media;	/* kinds of opaque parts: "image", "audio", "file", "unknown" */
	size_t nmedia;
	size_t opaque_bytes;	/* raw bytes of opaque parts */
	struct span *tools;	/* names of tools called in the body */
	size_t ntools;
	struct body_param *params; /* scalar top-level members, for request.NAME in conditions */
	size_t nparams;
	size_t stream_options_at; /* see dialect_ask_usage */
	const void *private;	/* dialect's own marks, in the arena */
};

struct body_param {
	struct span name;
	enum { PARAM_STRING, PARAM_NUMBER, PARAM_BOOL, PARAM_NULL } kind;
	struct span text; /* decoded string or the literal */
};

/* Why a body is refused. `unreadable` is the only one a policy may permit. */
struct body_refusal {
	int status;	  /* 400, 413, 415, 403 (unreadable) */
	const char *code; /* "invalid_json", "duplicate_key", "unreadable_content", … */
	char why[160];	  /* never holds body text */
	size_t at;	  /* raw offset, where it makes sense */
	bool unreadable;
};

/* Reads a whole, decoded body. `content_type` is the header's value, empty
 * where absent (two Content-Types are refused before, by the caller). The rules
 * are design rules 1 and 2: strict JSON where the Content-Type says JSON, where
 * the dialect is a JSON one or where the first non-space byte is { or [; else
 * JSON, form, UTF-8 text are tried in that order; none: unreadable. 0, or
 * negative with *why filled. */
int body_read(const struct dialect *d, struct span content_type, struct span raw, struct arena *a,
	struct body *out, struct body_refusal *why);

/* Segments of a request target: path segments, query names and values, decoded.
 * start and end count from the first byte of the path; the query begins behind
 * path.n + 1. Refused (400): a path whose normal form differs (dot segments,
 * "//", encoded separators, backslash, NUL, %-spelled unreserved characters),
 * broken percent escapes, invalid UTF-8. 0, or negative with *why filled. */
int target_read(const struct http_head *h, struct arena *a, struct segment **segments, size_t *n,
	struct body_refusal *why);

/* One edit of raw bytes: [start, end) becomes `with`. */
struct splice {
	size_t start, end;
	struct span with;
};

/* The edit that replaces the decoded bytes [from, to) of a segment by
 * `replacement`, escaped as the segment's form demands (a number becomes a
 * quoted string). `raw` is the body or target the segment was read from. 0, or
 * ERR_NOMEM, ERR_RANGE. */
int segment_splice(const struct segment *s, struct span raw, size_t from, size_t to,
	struct span replacement, struct arena *a, struct splice *out);
/* Applies edits (sorted by start here, in place; overlapping ones are an
 * ERR_RANGE). Everything outside the edits is byte-identical. */
int splice_apply(struct span raw, struct splice *edits, size_t n, struct buf *out);

#endif
