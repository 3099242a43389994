/* What a chat request offers, while it is read; for tool_offered.c and offered_tool.c. */
#ifndef POLICY_VERDICT_OFFERED_H
#define POLICY_VERDICT_OFFERED_H

#include "policy/verdict/cuts.h"

enum offered_kind {
	OFFERED_TOOLS,
	OFFERED_SERVERS, /* of MCP, by their names */
	OFFERED_PLUGINS, /* what the provider has, by its id */
};

enum { OFFERED_LISTS = 5 };

struct names {
	struct span *v;
	size_t n, room;
};

struct offered {
	struct cutting c;
	struct names hidden;   /* tools; of a server its label */
	struct names toolsets; /* servers of which a tool says what is used */
	struct names servers;  /* that are gone, with all that names them */
	struct tool *spare;    /* offered_tool.c's */
	bool linked;	       /* a list of servers was read */
	/* of which nothing is left: at the top, in a configuration, in further fields */
	bool gone[3][OFFERED_LISTS];
};

/* In the arena. 0 or ERR_NOMEM. */
int names_add(struct offered *o, struct names *to, struct span name);
bool names_have(const struct names *v, struct span name);

/* A list whose bracket was just read, or one tool in its place. *gone becomes true: something
 * went, and no tool is left in it. */
int offered_list(struct offered *o, enum offered_kind kind, bool *gone, struct json_event *ev);
/* What the provider runs, as the request itself says it. *hidden: it goes. */
int offered_switch(struct offered *o, struct span name, bool *hidden);

#endif
