/* The name of a node: chosen once, at the first start, and kept in JOURNAL.node beside the
 * journal. A machine that is renamed and a container that is made anew keep their name. */
#ifndef POLICY_CONFIG_NODE_H
#define POLICY_CONFIG_NODE_H

#include "base/arena.h"
#include "base/buf.h"

enum { NODE_NAME_MAX = 64 };

/* The name of the host, with each character that no node's name may have replaced by '-';
 * "tollgate" if the host has no name. */
void node_of_host(char out[NODE_NAME_MAX + 1]);
/* The name of a node without `node:` in its configuration: the kept one; else that of the
 * newest segment in the journal's folder (versions up to 0.2 kept none); else node_of_host().
 * `journal` may be NULL. The result lives in the arena. NULL: out of memory. */
const char *node_of_journal(struct arena *a, const char *journal);
/* Keeps the name for the next start; durable on return. 0, or a negative error with *why.
 * owner: the daemon that has locked the journal. */
int node_keep(const char *journal, const char *node, struct buf *why);

#endif
