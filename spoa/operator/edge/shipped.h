/* The shipped files, compiled in: what `tollgate init` lays down, and what `tollgate check
 * --haproxy` holds a person's files against. The bytes are those of haproxy/ and policies/. */
#ifndef OPERATOR_EDGE_SHIPPED_H
#define OPERATOR_EDGE_SHIPPED_H

#include "base/buf.h"

struct shipped_file {
	const char *name; /* "haproxy/tollgate.cfg" */
	const char *text;
	size_t n;
};
extern const struct shipped_file shipped_files[];
extern const size_t shipped_files_count;

/* The text of "haproxy/spoe.cfg"; empty: no such file. */
struct span shipped(const char *name);

/* The pieces of haproxy/bolt-on.cfg, in its order; each begins after a line "#---". Then those
 * of joint.cfg, the stanza of version 0.2: the relay's bind is in the frontend itself, and a
 * relayed request passes the frontend twice. */
enum shipped_piece {
	PIECE_GLOBAL,
	PIECE_STANZA, /* the frontend's, below its owner's rules */
	PIECE_ROUTES, /* the frontend's, before its first use_backend */
	PIECE_GUARD,  /* each backend's that holds a credential, before anything else */
	PIECE_JOINT_STANZA,
	PIECE_JOINT_ROUTES,
};
/* The variable by which `global` says that the frontend tollgate-inner of tollgate.cfg is there. */
#define INNER_SWITCH "TOLLGATE_INNER"
/* Its lines, comments included, the line "#---" not. */
struct span shipped_piece(enum shipped_piece piece);
/* A line of the joint stanza as it was before 0.2, when each line asked the ACL anew; into *out,
 * which stays empty where there was none. */
void shipped_older(struct span line, struct buf *out);
/* Whether an earlier version of init laid this line and this version does not, or lays it with a
 * word of the person's own: a row of haproxy/laid.lst. Whether this version has it in a piece.
 * Both take the line without indent, comment and double spaces. */
bool shipped_earlier(struct span line);
bool shipped_laid(struct span line);
/* Lines that stanzas of before 0.3 lack, and work without as they did: whose answer it is,
 * credentials of ours that HAProxy sets, WebSockets, which are refused without, and where the caller came
 * from, which providers outside are told without. */
enum shipped_later { LATER_NONE, LATER_SAID, LATER_CREDENTIAL, LATER_SOCKET, LATER_CALLER };
enum shipped_later shipped_later(struct span line);

#endif
