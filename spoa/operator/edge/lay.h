/* Adds the stanza to an operator's HAProxy files: which frontends and backends, which lines are
 * inserted where, and the change as a unified difference. The operator's lines are never
 * deleted. Two of them are changed, as described below. A line that is already present is not
 * inserted again. A stanza of an earlier version is renewed in place.
 *
 * Each inserted block stands between two comment lines with the section's indent:
 *
 *     # tollgate: begin NAME, laid by tollgate init
 *     # tollgate: end NAME
 *
 *   NAME    the block is
 *   global  in `global`, below its last line: tune.bufsize and tune.maxrewrite unless the
 *           operator has set them, and the switch of the second pass (INNER_SWITCH). If the
 *           files have no `global`, the block contains the line `global` itself.
 *   answers below the `defaults` of a frontend: named ones with the stanza's lines for
 * responses, and unchanged ones for all sections below. stanza  in a frontend, below the
 * operator's rules and above the first use_backend. guard   at the head of each backend that
 * holds a key.
 *
 * For `answers`, two lines of the operator are changed, and each keeps its former text in a
 * comment (LAY_WAS): the frontend's line gets `from` with the new defaults, and an anonymous
 * `defaults` gets a name. If this is not safe, the lines for responses are part of the stanza;
 * lay_answers() has the conditions.
 *
 * The frontend of the second pass is in tollgate.cfg. Lines of earlier versions, and lines that
 * a renewal adds to them, have no marks; they are recognized by shipped_piece(), for a stanza
 * of 0.2 by PIECE_JOINT_STANZA and PIECE_JOINT_ROUTES. In EXTRAOPTS, init adds only `-f
 * /etc/haproxy/tollgate/tollgate.cfg`. */
#ifndef OPERATOR_EDGE_LAY_H
#define OPERATOR_EDGE_LAY_H

#include "operator/edge/haproxy_file.h"

enum {
	/* defaults sections with an `answers` block; beyond this the lines are in the stanza */
	LAY_BASES_MAX = 16,
	/* providers; with more, init asks for those that the policy may name */
	LAY_BACKENDS_MAX = 64,
	LAY_FRONTENDS_MAX = 64,
	LAY_HOSTS_MAX = 64,
};
#define LAY_BEGIN "# tollgate: begin"
#define LAY_END	  "# tollgate: end"
#define LAY_WAS	  "# tollgate: was "

/* A change of one file: `text` goes below line `after` (0: above the first line). */
struct lay_edit {
	const char *file;
	unsigned after;
	bool drop; /* line after + 1 is removed; the text, if any, replaces it */
	struct span text;
};

/* A provider's backend and the dialect that its servers speak. */
struct lay_backend {
	const char *name, *dialect;
	const struct haproxy_section *section;
};

/* The command line's choices. NULL and 0: the option is absent. */
struct lay_wish {
	const char *frontend[LAY_FRONTENDS_MAX], *host[LAY_HOSTS_MAX];
	size_t nfrontend, nhost;
	/* --close-others: requests of other hosts to guarded backends may get 503 */
	bool close_others;
	struct lay_backend backend[LAY_BACKENDS_MAX];
	size_t nbackend;
};

/* The chosen sections and the resulting edits. Everything except the buffers lives in the
 * arena. */
struct lay {
	struct arena *arena;
	/* the frontends of --frontend, and all that have a stanza */
	const struct haproxy_section *front[LAY_FRONTENDS_MAX];
	size_t nfront;
	const char *host[LAY_HOSTS_MAX];
	size_t nhost;
	bool lays_switch;   /* tollgate.cfg must define the frontend of the second pass */
	bool lays_sockets;  /* tollgate.cfg must read SOCKETS_VARIABLE */
	/* the value that `global` must set SOCKETS_VARIABLE to; NULL: that of tollgate.cfg */
	const char *sockets;
	/* the folder for the daemon's sockets inside HAProxy's chroot, if the chroot does not
	 * contain SOCKETS_FOLDER; otherwise NULL */
	const char *moved;
	struct lay_backend backend[LAY_BACKENDS_MAX];
	size_t nbackend;
	/* defaults for which an `answers` block is laid */
	const struct haproxy_section *base[LAY_BASES_MAX];
	/* the name of each block's defaults */
	const char *answers[LAY_BASES_MAX];
	size_t nbase;
	struct lay_edit *edit; /* grows with the number of edits */
	size_t nedit, edit_room;
	bool no_frontend; /* no frontend speaks HTTP, so init asks for nothing else */
	/* questions to the operator, a line each; empty: everything is decided */
	struct buf choices;
	struct buf notes; /* remarks about lines that were left unchanged */
};

/* Chooses frontends, hosts and backends. `h` is resolved. Everything in *l lives in the arena
 * except the two buffers, which lay_free() releases. */
void lay_choose(
	struct lay *l, const struct haproxy *h, const struct lay_wish *wish, struct arena *a);
/* Computes the edits. Call this only if l->choices is empty. */
void lay_edits(struct lay *l, const struct haproxy *h);
void lay_free(struct lay *l);
/* Returns true if the section is a backend that gets the guard. */
bool lay_guards(const struct lay *l, const struct haproxy_section *s);
/* Returns true if the section is one of the chosen backends. */
bool lay_is_chosen(const struct lay *l, const struct haproxy_section *s);
/* Adds an edit and copies its text. If memory is exhausted, the edit is missing and the arena
 * has failed. */
void lay_add(struct lay *l, struct lay_edit edit);

/* Returns a line without indent, comment and double spaces, in memory of the arena. */
struct span lay_plain(struct arena *a, struct span source);

/* The input of lay_undo(); the files and copies belong to the caller. */
struct lay_undo {
	const struct haproxy *h;      /* the current files, resolved */
	const struct haproxy *before; /* the copies that init kept of the files, resolved */
	/* guards stay in backends with a key */
	bool keep_guards;
};
/* Adds the edits that remove from a file what init laid there. If the operator has lines that
 * HAProxy could not load afterwards, each is reported in l->choices, and the edits must not be
 * used. In *l, the arena, choices and notes are set. */
void lay_undo(struct lay *l, const struct lay_undo *asked, const char *file, struct span text);

/* Returns the line of the current file from which this line of the result comes; for an
 * inserted line, the line above it. */
unsigned lay_origin(const struct lay_edit *edit, size_t n, const char *file, unsigned line);
/* Writes the file's text with its edits applied. */
void lay_apply(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out);
/* Writes the same as a unified difference; nothing if the file has no edits. Secrets are not
 * shown. */
void lay_diff(const struct lay_edit *edit, size_t n, const char *file, struct span text,
	struct buf *out);

/* Returns true if no route is known for the backends' dialects; the policy's only route then
 * needs its path filled in. */
bool lay_no_route(const struct lay *l);
/* Returns true if the policy has a route to backend i: the first backend of each dialect has
 * one, unless the dialect's paths are unknown. */
bool lay_has_route(const struct lay *l, size_t i);

/* Write tollgate's own files for these choices: tollgate.yaml, the policy, and lines for the
 * daemon's units, which are empty unless l->moved is set. */
void lay_config(const struct lay *l, struct buf *out);
void lay_policy(const struct lay *l, struct buf *out);
void lay_unit(const struct lay *l, struct buf *out);

#endif
