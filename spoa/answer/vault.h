/* What the placeholders of one request stand for, for as long as its exchange lives; zeroed
 * when freed. Only placeholders that its redaction made are in it. owner: the exchange. */
#ifndef ANSWER_VAULT_H
#define ANSWER_VAULT_H

#include "base/span.h"
#include "scan/text/spelling.h"

struct vault;

/* NULL: out of memory. */
struct vault *vault_new(void);
/* Copies both. ERR_SYNTAX: no <NAME_1> in capitals, digits and underscores; ERR_DUPLICATE: it
 * is there already, and stays as it is; ERR_LIMIT: CAP_VAULT_BYTES; ERR_NOMEM. */
int vault_add(struct vault *v, struct span placeholder, struct span value);
void vault_free(struct vault **v);
/* Its values may be put into URLs. */
void vault_allow_urls(struct vault *v);
bool vault_urls(const struct vault *v);
size_t vault_count(const struct vault *v);
/* Of what is shaped like a placeholder and is not in the vault, restorers count what an entity
 * of these rules is called; the rules must outlive the vault. `alone`: also if the vault is
 * empty, as it is where what an earlier turn was given is lost. */
struct detect_rules;
void vault_count_unknown(struct vault *v, const struct detect_rules *rules, bool alone);
/* Whether there is anything to put back or to count. */
bool vault_matters(const struct vault *v);
/* `name` is between the brackets. */
bool vault_is_unknown(const struct vault *v, struct span name);
/* For spelling_at(). */
struct spelling_names vault_names(const struct vault *v);
/* The value at a node that spelling_at() ended on; lives as long as the vault. */
struct span vault_value(const struct vault *v, uint32_t node);

#endif
