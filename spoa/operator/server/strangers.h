/* A file in the journal's folder that is no segment, with which the next start would be refused:
 * looked for every two seconds, on the main thread. */
#ifndef OPERATOR_SERVER_STRANGERS_H
#define OPERATOR_SERVER_STRANGERS_H

struct server;

/* What is found is s->stranger_there. */
void strangers_look(struct server *s);

#endif
