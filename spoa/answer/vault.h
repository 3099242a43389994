/* The values of one request's placeholders. Only placeholders that the request's redaction made
 * are in the vault. Its memory is zeroed when it is freed. owner: the exchange. */
#ifndef ANSWER_VAULT_H
#define ANSWER_VAULT_H

#include "base/span.h"
#include "scan/text/spelling.h"

struct vault;

/* Returns an empty vault, or NULL if memory is out. */
struct vault *vault_new(void);
/* Copies both strings into the vault. Returns 0, or: ERR_SYNTAX, the placeholder is not of the
 * form <NAME_1> (capitals, digits, underscores); ERR_DUPLICATE, the vault has the placeholder,
 * whose value stays; ERR_LIMIT, beyond CAP_VAULT_BYTES; ERR_NOMEM. */
int vault_add(struct vault *v, struct span placeholder, struct span value);
/* The form in which a request has a value. */
enum occurrence {
	OCCURS_IN_PROSE, /* a number or a date in a sentence, which has no types; or not known */
	/* a number or a date without quotes, as a file has it: 4154268562 in {"phone": 4154268562} */
	OCCURS_BARE,
	OCCURS_AS_TEXT, /* in quotes, or in another form */
};
/* Notes an occurrence of a placeholder. If at least one was bare and none was text, restorers
 * remove the quotes around the placeholder. Unknown placeholders are ignored. */
void vault_note_occurrence(struct vault *v, struct span placeholder, enum occurrence is);
/* Returns what the noted occurrences amount to: text if one was text, else bare if one was bare. */
enum occurrence vault_occurrence(const struct vault *v, struct span placeholder);
/* Notes the types of tools' arguments, which must outlive the vault or the next call; NULL: none is
 * known. `all`: the model has no other tools. If it may have others, values in their arguments stay
 * strings. */
struct argument_types;
void vault_note_types(struct vault *v, const struct argument_types *types, bool all);
/* Returns true if placeholders of the vault may lose their quotes. v may be NULL. */
bool vault_has_bare(const struct vault *v);
/* Returns true if the text is one placeholder whose value is a number, and the argument `name` of
 * the tool need not be a string. Both are span_hash() of the names; tool 0: not known. *value
 * borrows from the vault. */
bool vault_number(const struct vault *v, struct span text, uint64_t tool, uint64_t name, struct span *value);
/* Copies a URL of the caller with its placeholders (own_url.h), into which restorers may put the
 * values. Returns 0, ERR_DUPLICATE, ERR_LIMIT or ERR_NOMEM. */
int vault_add_url(struct vault *v, struct span url);
/* Zeroes and frees `*v`, which may be NULL, and sets it to NULL. */
void vault_free(struct vault **v);
/* Permits its values in URLs. */
void vault_allow_urls(struct vault *v);
/* Returns the number of placeholders; v NULL: 0. */
size_t vault_count(const struct vault *v);
/* Lets restorers count unknown placeholders. Such a placeholder is not in the vault, and its
 * name has an entity of these rules. The rules must outlive the vault. `alone`: also count if
 * the vault is empty, as it is if the values of an earlier turn are lost. */
struct detect_rules;
void vault_count_unknown(struct vault *v, const struct detect_rules *rules, bool alone);
/* Returns true if there is a value to restore or a placeholder to count. v may be NULL. */
bool vault_matters(const struct vault *v);

#endif
