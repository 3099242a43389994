/* A JSON tokenizer that keeps positions: the caller pulls one token after the other of strict
 * RFC 8259 in UTF-8; no tree is built. Every token has its offsets in the raw bytes, so that a
 * caller can edit the text. Beyond the grammar, these are refused: lone surrogates, a BOM,
 * invalid UTF-8, trailing data, keys that are equal after unescaping, and documents over the
 * limits of depth and nodes (base/caps.h). */
#ifndef BASE_CODEC_JSON_H
#define BASE_CODEC_JSON_H

#include "base/arena.h"
#include "base/span.h"

enum json_tok {
	JSON_END, /* the document has ended and was whole */
	JSON_ERROR,
	JSON_OBJECT, /* { */
	JSON_OBJECT_END,
	JSON_ARRAY, /* [ */
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

struct json_event {
	enum json_tok tok;
	/* raw offsets, `end` exclusive; for keys and strings, the bytes between the quotes */
	size_t start, end;
	bool escaped;	   /* the string or key has a backslash escape */
	bool halves;	   /* one of the escapes is half of a surrogate pair */
	unsigned depth;	   /* containers that are open around this token; 0 at top level */
};

struct json; /* opaque, in the arena */

/* Begins to read `in`, which must outlive the reader. Memory for open containers and keys comes
 * from the arena. Returns NULL only if the arena failed. */
struct json *json_open(struct arena *a, struct span in);
/* Accepts lone surrogates from now on, for text that is cut between the halves of a pair. Each
 * half decodes to three bytes, as UTF-8 would encode it. */
void json_take_halves(struct json *j);
/* Reads the next token. After JSON_END or JSON_ERROR, each call returns the same. */
enum json_tok json_next(struct json *j, struct json_event *ev);
/* Skips what belongs to *ev, the token just read. After a key, reads the whole value. After an
 * opening token, reads up to the matching end token, inclusive. After any other token, reads
 * nothing. *ev becomes the last token read, which is returned, or JSON_ERROR. */
enum json_tok json_skip(struct json *j, struct json_event *ev);
/* Returns the error after JSON_ERROR, a fixed English phrase in *why and the raw offset in *at;
 * 0 before. ERR_SYNTAX; ERR_TRUNCATED (the input ends inside the document); ERR_ENCODING (BOM,
 * invalid UTF-8, lone surrogate); ERR_DUPLICATE; ERR_RANGE (deeper than CAP_JSON_DEPTH);
 * ERR_LIMIT (more than CAP_JSON_NODES keys and values); ERR_NOMEM. */
int json_error(const struct json *j, const char **why, size_t *at);

/* Returns the decoded text of a key or string: a view of `in` if nothing is escaped, otherwise a
 * copy in the arena (p NULL: out of memory). */
struct span json_text(struct arena *a, struct span in, const struct json_event *ev);
/* A member of the object that is being read. */
struct json_member {
	struct span key; /* as json_text() returns it */
	size_t start;	 /* raw offset of the key's opening quote */
};
/* Reads the next member. Returns true with the first token of its value in *ev. Returns false at
 * the end of the object, or with *err set to ERR_NOMEM or json_error(). *err is 0 before the
 * first call; if it is not, nothing is read. */
bool json_member(struct json *j, struct arena *a, struct span in, struct json_member *m,
	struct json_event *ev, int *err);
/* Returns the offset of the first byte from `at` on that is a quote, a backslash, a control
 * character or not ASCII, or in.n. */
size_t json_special(struct span in, size_t at);
/* Returns the raw offset of the escape or byte that produced the byte at an offset of the
 * decoded text. `raw` is the bytes between the quotes; the result is relative to raw.p. An
 * offset inside a character's escape becomes the start of the escape. */
size_t json_raw_offset(struct span raw, size_t decoded_offset);

/* One step through the bytes between the quotes of a string that json_next() accepted: the
 * number of raw bytes of the unit at p (an escape, a surrogate pair of two, or one plain byte),
 * and its decoded bytes. */
struct json_unit {
	size_t raw, decoded;
	char out[4];
};
struct json_unit json_unit_at(const char *p, const char *end);

/* ---- strings at known paths ---- */

/* A place: a path of members such as "a.b", and a number for the caller. Arrays on the path are
 * passed through; arrays inside arrays are not. */
struct json_place {
	const char *path;
	int what;
};

/* Receives a string at a place. `text` is valid as long as the arena and the document; `at` has
 * the string's offsets, between the quotes. */
typedef void json_take_fn(void *arg, int what, struct span text, const struct json_event *at);
/* Calls take() for each string at one of the places, in the order of the document. `items`: also
 * for the strings of a list at a place. Returns true if the document is whole. If it returns
 * false, the strings may belong to something else. */
bool json_strings(struct span json, const struct json_place *places, size_t n, bool items,
	struct arena *a, json_take_fn *take, void *arg);

#endif
