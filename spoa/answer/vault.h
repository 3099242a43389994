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
/* For spelling_at(). */
struct spelling_names vault_names(const struct vault *v);
/* The value at a node that spelling_at() ended on; lives as long as the vault. */
struct span vault_value(const struct vault *v, uint32_t node);

#endif
