/* The shipped files, compiled in: `tollgate init` installs them, and `tollgate check --haproxy`
 * compares the operator's files with them. The bytes are those of haproxy/, policies/ and
 * joint.cfg. All results are constant and never freed. */
#ifndef OPERATOR_EDGE_SHIPPED_H
#define OPERATOR_EDGE_SHIPPED_H

#include "base/buf.h"

struct shipped_file {
	const char *name; /* path in the repository, for example "haproxy/tollgate.cfg" */
	const char *text;
	size_t n;
};
extern const struct shipped_file shipped_files[];
extern const size_t shipped_files_count;

/* Returns the text of a file by its name, or an empty span. */
struct span shipped(const char *name);

/* The pieces of haproxy/bolt-on.cfg in its order; each follows a line that begins with "#---".
 * The last two are those of joint.cfg, the stanza of version 0.2: the relay's bind is in the
 * frontend itself, so a relayed request passes the frontend twice. */
enum shipped_piece {
	PIECE_GLOBAL,
	PIECE_STANZA, /* lines for the frontend, below the operator's rules */
	PIECE_ROUTES, /* lines for the frontend, above its first use_backend */
	PIECE_GUARD,  /* lines for each backend with a credential, above all other lines */
	PIECE_JOINT_STANZA,
	PIECE_JOINT_ROUTES,
};
/* The environment variable with which `global` activates the frontend tollgate-inner in
 * tollgate.cfg. */
#define INNER_SWITCH "TOLLGATE_INNER"
/* The environment variable in tollgate.cfg with the folder of the daemon's sockets, as HAProxy
 * sees it from its chroot. tollgate.cfg presets SOCKETS_IN_CHROOT, which is right for Debian's
 * chroot /var/lib/haproxy. */
#define SOCKETS_VARIABLE  "TOLLGATE_SOCKETS"
#define SOCKETS_IN_CHROOT "/tollgate"
/* The same folder outside every chroot, as the package makes it. */
#define SOCKETS_FOLDER "/var/lib/haproxy/tollgate"
/* Returns the piece's lines with their comments, without the line "#---". */
struct span shipped_piece(enum shipped_piece piece);
/* Appends a line of the joint stanza in the form that was shipped before the stanza decided
 * once. Appends nothing if that form had no such line. */
void shipped_older(struct span line, struct buf *out);
/* shipped_earlier() returns true if an earlier version of init laid this line and this version
 * does not, or lays it with a value of the operator's (a row of haproxy/laid.lst).
 * shipped_laid() returns true if a piece of this version has the line. Both take the line
 * without indent, comment and double spaces. */
bool shipped_earlier(struct span line);
/* Lines that stanzas before 0.3 lack: LATER_SAID reports who answered an attempt,
 * LATER_CREDENTIAL sets credentials of tollgate.yaml, LATER_SOCKET permits WebSockets, and
 * LATER_CALLER removes headers with the caller's origin. */
enum shipped_later { LATER_NONE, LATER_SAID, LATER_CREDENTIAL, LATER_SOCKET, LATER_CALLER };
/* Returns the kind of a shipped line; LATER_NONE for all others. */
enum shipped_later shipped_later(struct span line);

#endif
