/* The policy in force. */
#ifndef OPERATOR_ADMIN_POLICY_H
#define OPERATOR_ADMIN_POLICY_H

#include "base/buf.h"

struct server;

/* Name, version, since when, rules, and the text of its file. */
void admin_policy(struct server *s, struct buf *out);

#endif
