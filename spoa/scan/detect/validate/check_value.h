/* Reads the value after a key: determines its end, and whether it is a secret at all. Shared by the
 * validators of secrets. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_VALUE_H
#define SCAN_DETECT_VALIDATE_CHECK_VALUE_H

#include "scan/detect/validate/check.h"

struct value {
	struct span s;
	bool quoted; /* a literal; otherwise it may be code, and its end is a guess */
	char sep;    /* separator between key and value: ':', '=', ',', '|', '>' or a letter */
	bool spaced; /* a space is before the separator */
};

/* Returns the value that begins at c->start. It ends at its closing quote, or at a space,
 * comma, tag or the next key; c->end is moved there. Reads nothing after c->end. */
struct value value_read(struct candidate *c);
/* Returns true if the value is an ordinary word of a sentence: a space is before it, it
 * consists of letters, and two more words follow. No validator then accepts it, whatever text
 * follows. */
bool value_is_prose(const struct candidate *c);
/* Returns true if the separator assigns the value to the key, and is not part of a list of
 * arguments, a generic type or a pipe. */
bool value_is_assigned(const struct candidate *c, const struct value *v);

/* Returns true for a reference to a value: ${NAME}, {{ name }}, <name>, %NAME%, $NAME, arn:…,
 * op://… */
bool value_is_template(struct span s);
/* Returns true for code that computes the value: name(…), a.b.c, a->b, a::b, someName2 before a
 * bracket. */
bool value_is_code(const struct candidate *c, const struct value *v);
/* Returns true for a placeholder: REPLACE_WITH_…, your-key-here, xxxx. */
bool value_is_placeholder(struct span s);
/* The same for a part of the candidate's text, with the memo of the scan. */
bool candidate_is_placeholder(const struct candidate *c, struct span s);
/* Returns true for passwords of examples and defaults: password, password123, Passw0rd!,
 * changeme. */
bool value_is_stock(struct span s);
/* Returns true for a name of programs, in camelCase or snake_case, of which at most a quarter
 * is digits. */
bool value_is_words(struct span s);
/* Returns true for a name, a chain of names (a.b.c) or a path of names. */
bool value_is_name(struct span s);
bool value_is_uuid(struct span s);
/* Returns true for a certificate or a public key in PEM that was encoded in base64 again. */
bool value_is_public_pem(struct span s);

#endif
