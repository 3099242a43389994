/* Finds the operator's own credentials in HAProxy's files: which lines hold one, and which
 * sections. */
#ifndef OPERATOR_EDGE_CREDENTIAL_H
#define OPERATOR_EDGE_CREDENTIAL_H

#include "operator/edge/haproxy_file.h"

/* Sets line->secret and line->looked_up for all lines. A line is secret if it contains a key, a
 * value from an environment variable named like a secret, or a variable that holds one,
 * whichever section set that variable. haproxy_resolve() calls this. */
void credentials_mark(struct haproxy *h);
/* Returns the line with which this backend, listen or frontend, or its defaults, holds a
 * credential of its own; NULL: none. */
const struct haproxy_line *credential_of(const struct haproxy_section *s);
/* Returns the position in a written line where a secret begins that must not be shown: a key,
 * the value of a header that carries one, a password of a userlist, or the value of NAME=VALUE
 * in an environment file. Returns line.n if there is none. */
size_t secret_at(struct span line);
/* Stores the file of the map in which a value is looked up: FILE of ",map(FILE,…)", without
 * prefixes such as opt@. Returns false if there is no map or its name is too long. */
enum { MAP_FILE_BYTES = 4096 };
bool map_file(struct span value, char out[MAP_FILE_BYTES]);
/* Returns the index of the word that begins the line's condition (`if`, `unless`), or l->n. */
size_t condition_at(const struct haproxy_line *l);

#endif
