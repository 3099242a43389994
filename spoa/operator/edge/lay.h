/* The stanza laid into a person's HAProxy files: which frontends and which backends, what is
 * inserted where, and how that reads as a difference. Lines of a person are never taken away,
 * and two are changed, as said below; what is there already is not inserted again. An older stanza of ours is
 * renewed where it is.
 *
 * Each block that is inserted stands between two comments, which are lines of their own with
 * the indent of the section:
 *
 *     # tollgate: begin NAME, laid by tollgate init
 *     # tollgate: end NAME
 *
 *   NAME    the block is
 *   global  in `global`, after its last line: tune.bufsize and tune.maxrewrite where the person
 *           has none, and the switch of the second pass (INNER_SWITCH). Where there was no
 *           `global` the line `global` itself is in the block.
 *   answers below the `defaults` of a frontend: named ones with what the stanza does to
 *           responses, and named ones for all that comes below, as it was
 *   stanza  in a frontend, below the person's own rules and above the first use_backend
 *   guard   at the head of each backend that holds a key
 *
 * Two lines of the person are changed for `answers`, and end in a comment with the line as it
 * was (LAY_WAS): that of the frontend, which begins with those defaults, and that of an
 * anonymous `defaults`, which gets the name that they begin with. Where that is not safe the
 * lines for responses are in the stanza: lay_answers() says when.
 *
 * Nothing of these is laid anywhere else. The frontend of the relay's second pass is in our own
 * tollgate.cfg. What an earlier version laid has no such comments; nor have the lines that a
 * renewal adds to it (lay_renew): these are known by shipped_piece(), with PIECE_JOINT_STANZA
 * and PIECE_JOINT_ROUTES for a stanza of 0.2 (joint_stanza), whose bind of the second pass is in
 * the frontend. In EXTRAOPTS a run adds `-f /etc/haproxy/tollgate/tollgate.cfg` alone. */
#ifndef OPERATOR_EDGE_LAY_H
#define OPERATOR_EDGE_LAY_H

#include "operator/edge/haproxy_file.h"

enum {
	LAY_BASES_MAX = 16, /* defaults sections that gates begin with; more: laid as without */
	LAY_BACKENDS_MAX = 64, /* providers; more: init asks for those that are used */
	LAY_FRONTENDS_MAX = 64,
	LAY_HOSTS_MAX = 64,
};
#define LAY_BEGIN "# tollgate: begin"
#define LAY_END	  "# tollgate: end"
#define LAY_WAS	  "# tollgate: was "

/* Lines that go into a file after its line `after` (0: before its first). */
struct lay_edit {
	const char *file;
	unsigned after;
	bool drop; /* the line after it goes: tollgate's own */
	struct span text;
};

struct lay_backend {
	const char *name, *dialect;
	const struct haproxy_section *section;
};

/* What the person said; NULL and 0: not said. */
struct lay_wish {
	const char *frontend[LAY_FRONTENDS_MAX], *host[LAY_HOSTS_MAX];
	size_t nfrontend, nhost;
	bool close_others; /* other hosts' requests to guarded backends may be refused */
	struct lay_backend backend[LAY_BACKENDS_MAX];
	size_t nbackend;
};

struct lay {
	struct arena *arena;
	const struct haproxy_section *front[LAY_FRONTENDS_MAX]; /* said, and all that have a
								 * stanza */
	size_t nfront;
	const char *host[LAY_HOSTS_MAX];
	size_t nhost;
	bool lays_switch; /* tollgate.cfg must have the frontend of the second pass */
	struct span chroot; /* HAProxy's; empty: it has none */
	struct lay_backend backend[LAY_BACKENDS_MAX];
	size_t nbackend;
	const struct haproxy_section *base[LAY_BASES_MAX]; /* whose `answers` are laid */
	const char *answers[LAY_BASES_MAX];		   /* the name of each */
	size_t nbase;
	struct lay_edit *edit; /* as many as the files have backends with a key, and more */
	size_t nedit, edit_room;
	bool no_frontend;   /* none speaks HTTP: nothing else is asked */
	struct buf choices; /* what must be said, a line each; empty: nothing */
	struct buf notes;   /* what was not touched and may matter */
};

/* h is resolved. All of *l lives in the arena but the two buffers. */
void lay_choose(
	struct lay *l, const struct haproxy *h, const struct lay_wish *wish, struct arena *a);
/* After a choice without questions. */
void lay_edits(struct lay *l, const struct haproxy *h);
void lay_free(struct lay *l);
/* The section is a backend that gets the guard. */
bool lay_guards(const struct lay *l, const struct haproxy_section *s);
/* The section is one of the chosen backends. */
bool lay_is_chosen(const struct lay *l, const struct haproxy_section *s);
/* The lines of an older stanza become this version's, each in its place; new ones go where they
 * belong. s: a frontend with the stanza, or the relay's own of the complete example. */
void lay_renew(struct lay *l, const struct haproxy *h, const struct haproxy_section *s);
/* One more edit; its text is copied. No memory: the arena has failed. */
void lay_add(struct lay *l, struct lay_edit edit);

/* A line without indent, comment and double spaces; the arena's. */
struct span lay_plain(struct arena *a, struct span source);

struct lay_undo {
	const struct haproxy *h;      /* the files as they are, resolved */
	const struct haproxy *before; /* the kept copies of them, as they were before init;
				       * resolved */
	bool keep_guards;
};
/* Adds the edits that take out of a file what init laid there. What init did not lay and HAProxy
 * cannot load without it goes to l->choices, a line each: then the edits are not for use.
 * l: arena, choices and notes are set. */
void lay_undo(
	struct lay *l, const struct lay_undo *asked, const char *file, struct span text);

/* The line of the file as it is from which this line of the result comes; of a line that was
 * inserted, the one above it. */
unsigned lay_origin(const struct lay_edit *edit, size_t n, const char *file, unsigned line);
/* A file's text with its edits, in their order. */
void lay_apply(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out);
/* The same as a unified difference; empty: none. */
void lay_diff(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out);

/* Of what the backends speak no route is known: the policy's only one waits for its path. */
bool lay_no_route(const struct lay *l);
/* The policy has a route to the i-th backend: the first of its dialect has one, unless the
 * dialect has no paths that are known. */
bool lay_has_route(const struct lay *l, size_t i);

/* The shipped backends for this HAProxy, configuration and policy for the person's. */
#define LAY_CHROOT "/var/lib/haproxy" /* Debian's; the daemon's sockets are in it */
void lay_backends(const struct lay *l, struct buf *out);
void lay_config(const struct lay *l, struct buf *out);
void lay_policy(const struct lay *l, struct buf *out);

#endif
