/* Keys and overrides that are over since a day are purged: looked for every ten seconds, on the
 * main thread. */
#ifndef OPERATOR_SERVER_PURGING_H
#define OPERATOR_SERVER_PURGING_H

struct server;

void purging_look(struct server *s);

#endif
