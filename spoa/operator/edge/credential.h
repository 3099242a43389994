/* A person's own credentials in HAProxy's files: which lines hold one, and which sections. */
#ifndef OPERATOR_EDGE_CREDENTIAL_H
#define OPERATOR_EDGE_CREDENTIAL_H

#include "operator/edge/haproxy_file.h"

/* Sets line->secret wherever a value of the environment or a key that is written out is, or a
 * variable that holds one, whichever section set it. haproxy_resolve() calls it. */
void credentials_mark(struct haproxy *h);
/* The line by which this backend, listen or frontend holds a credential of its own, with its
 * defaults; NULL: none. */
const struct haproxy_line *credential_of(const struct haproxy_section *s);
/* Where in a line, as it is written, a secret begins that is not to be shown: a key, the value
 * of a header that carries one, a password of a userlist, NAME=VALUE of an environment file;
 * line.n: nowhere. */
size_t secret_at(struct span line);
/* The file of the map that a value is looked up in: FILE of ",map(FILE,…)", without opt@ and the
 * like. False: there is none, or its name is too long. */
enum { MAP_FILE_BYTES = 4096 };
bool map_file(struct span value, char out[MAP_FILE_BYTES]);
/* The word that begins the line's condition, or l->n. */
size_t condition_at(const struct haproxy_line *l);

#endif
