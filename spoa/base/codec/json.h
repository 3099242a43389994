/* Span-preserving JSON reader: a pull tokenizer over strict RFC 8259 in UTF-8,
 * no tree. Every token says where it is in the raw bytes, so that a caller
 * can splice. Refused, beyond the grammar: lone surrogates, BOM, invalid UTF-8,
 * trailing data, keys equal after unescaping, depth and node caps
 * (base/caps.h). */
#ifndef BASE_CODEC_JSON_H
#define BASE_CODEC_JSON_H

#include "base/arena.h"
#include "base/span.h"

enum json_tok {
	JSON_END, /* the document ended and was whole */
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
	size_t start, end; /* raw offsets, end exclusive; for keys and strings the bytes between
			      the quotes */
	bool escaped;	   /* the string or key holds a backslash escape */
	bool halves;	   /* and one that spells half of a surrogate pair */
	unsigned depth;	   /* containers open around this token; 0 at top level */
};

struct json; /* opaque, in the arena */

/* Starts over `in`, which must outlive the reader. Memory (open containers,
 * key sets) comes from the arena. NULL only if the arena failed. */
struct json *json_open(struct arena *a, struct span in);
/* From here on lone surrogates pass, for text that is cut between the two of a pair: each is
 * three bytes then, as UTF-8 would have them. */
void json_take_halves(struct json *j);
/* The next token. After JSON_END or JSON_ERROR the same is returned for ever. */
enum json_tok json_next(struct json *j, struct json_event *ev);
/* With *ev the token just read: after a key, reads the whole value after it;
 * after an opening token, everything up to its end token, inclusive; after
 * anything else nothing. The last token read, or JSON_ERROR. */
enum json_tok json_skip(struct json *j, const struct json_event *ev);
/* After JSON_ERROR: a member of enum err, a fixed English phrase and the raw
 * offset. ERR_SYNTAX; ERR_TRUNCATED (the input ends inside the document);
 * ERR_ENCODING (BOM, invalid UTF-8, lone surrogate); ERR_DUPLICATE;
 * ERR_RANGE (nested deeper than CAP_JSON_DEPTH); ERR_LIMIT (more than
 * CAP_JSON_NODES keys and values); ERR_NOMEM. 0 before. */
int json_error(const struct json *j, const char **why, size_t *at);

/* The decoded text of a key or string token: a view into `in` where nothing
 * was escaped, else a copy in the arena (p is NULL where that failed). */
struct span json_text(struct arena *a, struct span in, const struct json_event *ev);
/* The next member of the object under way. */
struct json_member {
	struct span key; /* as of json_text() */
	size_t start;	 /* of its quote */
};
/* True: *ev is the first token of its value. False: the object has ended, or *err, which is 0
 * before, is not: ERR_NOMEM, or json_error(). Nothing is read where it is already. */
bool json_member(struct json *j, struct arena *a, struct span in, struct json_member *m,
	struct json_event *ev, int *err);
/* The first byte from `at` on that is a quote, a backslash, a control character or not ASCII;
 * in.n where there is none. */
size_t json_special(struct span in, size_t at);
/* Maps an offset in the decoded text to the raw offset of the escape or byte
 * that produced it (raw = the bytes between the quotes, result relative to
 * raw.p). A cut inside a multi-byte escape moves to its start. */
size_t json_raw_offset(struct span raw, size_t decoded_offset);

/* One step through the bytes between the quotes of a string that json_next
 * accepted: how many raw bytes the unit at p spells (an escape, a surrogate
 * pair of two, or one plain byte), and its decoded bytes in out. */
struct json_unit {
	size_t raw, decoded;
	char out[4];
};
struct json_unit json_unit_at(const char *p, const char *end);

#endif
