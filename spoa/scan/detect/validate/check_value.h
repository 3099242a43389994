/* A value after its key: where it ends, and whether it is one at all. Shared by the
 * validators of secrets. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_VALUE_H
#define SCAN_DETECT_VALIDATE_CHECK_VALUE_H

#include "scan/detect/validate/check.h"

struct value {
	struct span s;
	bool quoted; /* a literal; otherwise it may be code, and its end is a guess */
	char sep;    /* what parts it from its key: ':', '=', ',', '|', '>' or a letter */
	bool spaced; /* a blank comes before that */
};

/* The value that begins at c->start, to its closing quote or to the blank, comma, tag or
 * next key that ends it; c->end is moved there. Looks no further than c->end. */
struct value value_read(struct candidate *c);
/* Whether the value is an ordinary word of a sentence: a blank before it, letters, and two
 * more words after it, so that no check of a value takes it whatever comes later. */
bool value_is_prose(const struct candidate *c);
/* Returns true if no further text can be a value of the name at c->match for check_chance(): the name names no
 * secret, or too many words follow it. */
bool chance_is_over(const struct candidate *c);
/* Whether a separator of this kind parts a key from a value here: no list of arguments,
 * no generic type, no pipe. */
bool value_is_assigned(const struct candidate *c, const struct value *v);

/* ${NAME}, {{ name }}, <name>, %NAME%, $NAME, arn:…, op://…: says where the value is. */
bool value_is_template(struct span s);
/* name(…), a.b.c, a->b, a::b, someName2 before a bracket: code that computes it. */
bool value_is_code(const struct candidate *c, const struct value *v);
/* "pass", "token", "key" and the like are in it. */
bool value_names_secret(struct span s);
/* REPLACE_WITH_…, your-key-here, xxxx: says that there is none. */
bool value_is_placeholder(struct span s);
/* Does the same for a part of the candidate's text, and uses the memo of the scan. */
bool candidate_is_placeholder(const struct candidate *c, struct span s);
/* password, password123, Passw0rd!, changeme: what examples and defaults use. */
bool value_is_stock(struct span s);
/* A name as programs have, words in camelCase or snake_case, with as many digits as a fourth of it:
 * where a value is random or none. */
bool value_is_words(struct span s);
/* A name, a chain of them (a.b.c), or a path of them. */
bool value_is_name(struct span s);
bool value_is_uuid(struct span s);
/* A certificate or a public key in PEM, base64 once more: nothing to hide. */
bool value_is_public_pem(struct span s);

#endif
