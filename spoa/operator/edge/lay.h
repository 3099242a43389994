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
	/* paths in the rules for one host; further ones count as rules that init cannot
	 * translate */
	LAY_PATHS_MAX = 64,
	LAY_ENDS_MAX = 8,
	LAY_UNSURE_MAX = 64,
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
	bool internal; /* the backend holds no key, and its servers have private addresses */
};

/* A kind of request of a gated host, and where HAProxy's own rules send it. Without path, exact
 * and end, it is any request that no other kind of the host has. */
struct lay_way {
	const char *host;	/* NULL: each gated host */
	struct span path;	/* a whole path if `exact`; otherwise the path's beginning */
	struct span end;	/* the path's end; empty: any */
	bool exact;
	const struct haproxy_section *back; /* NULL: none */
	const struct haproxy_line *by;	    /* the rule that decides; NULL: none */
	/* the request stays outside the gate: `back` is no provider and holds no key */
	bool open;
};

/* A route of the policy that init writes. */
struct lay_route {
	const char *name, *host;   /* host NULL: any */
	const struct lay_backend *to;
	struct span shipped;	   /* the route's lines in default.yaml; empty: of `way` or `api` */
	const char *path;	   /* the path of a shipped route */
	const struct lay_way *way; /* the kind of request that the route matches, or NULL */
	bool api;		   /* match the paths of the backend's dialect, below way->path */
};

/* The command line's choices. NULL and 0: the option is absent. */
struct lay_wish {
	const char *frontend[LAY_FRONTENDS_MAX], *host[LAY_HOSTS_MAX];
	size_t nfrontend, nhost;
	/* --close-others: requests of other hosts to guarded backends may get 503 */
	bool close_others;
	/* --policy-routes: rules that init cannot translate no longer apply to gated requests */
	bool policy_routes;
	bool has_policy; /* a policy exists, so init needs no dialects to write one */
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
	size_t nhost, nasked; /* the first nasked are those of --host */
	bool lays_switch;   /* tollgate.cfg must define the frontend of the second pass */
	bool lays_sockets;  /* tollgate.cfg must read SOCKETS_VARIABLE */
	/* the value that `global` must set SOCKETS_VARIABLE to; NULL: that of tollgate.cfg */
	const char *sockets;
	/* the folder for the daemon's sockets inside HAProxy's chroot, if the chroot does not
	 * contain SOCKETS_FOLDER; otherwise NULL */
	const char *moved;
	struct lay_backend backend[LAY_BACKENDS_MAX];
	size_t nbackend;
	/* the kinds of requests; a kind stands above those that contain it. 0: HAProxy's own
	 * rules lead no gated host to a provider, and the policy alone decides */
	struct lay_way *way;
	size_t nway, way_room;
	struct lay_route *route; /* in the order of the policy */
	size_t nroute, route_room;
	/* rules that read more than host and path, and that differ from what the others do */
	const struct haproxy_line *unsure[LAY_UNSURE_MAX];
	size_t nunsure;
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
/* Returns true if the stanza's ACL lets requests for this host pass the gate: the section names the
 * host, gates every host, or reads something else than names. `host` may be *.name. */
bool lay_gates_host(const struct haproxy_section *s, struct span host);
/* Returns true if a frontend's stanza gates the host, or if no frontend has a stanza. */
bool lay_some_gate_has(const struct haproxy *h, struct span host);
/* lay_routes.c: HAProxy's own rules for a host and a path. The path is whole; an empty one means
 * a path that no rule names. *by is the deciding rule, or NULL. Returns NULL if no backend is
 * chosen. */
const struct haproxy_section *lay_sent_to(struct lay *l, const struct haproxy *h,
	const char *host, struct span path, const struct haproxy_line **by);
/* Returns true if the rule decides by the path. */
bool lay_reads_path(struct lay *l, const struct haproxy *h, const char *host,
	const struct haproxy_line *by);
/* Determines l->way and l->unsure. */
void lay_find_ways(struct lay *l, const struct haproxy *h);
/* Determines l->route from l->way and the routes of default.yaml. */
void lay_find_routes(struct lay *l, const struct haproxy *h);
/* Returns the first backend of this dialect, or NULL. */
const struct lay_backend *lay_backend_of(const struct lay *l, const char *dialect);
/* Writes the lines of the stanza that except paths from the gate, each with the indent. */
void lay_exceptions(const struct lay *l, struct span indent, struct buf *out);
/* Writes where each kind of request was sent before, and is sent with the policy. */
void lay_table(struct lay *l, const struct haproxy *h, struct buf *out);
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

/* Returns true if no route is known for the backends; the policy's only route then needs its
 * path filled in. */
bool lay_no_route(const struct lay *l);
/* Returns true if the policy has a route to backend i. */
bool lay_has_route(const struct lay *l, size_t i);

/* Write tollgate's own files for these choices: tollgate.yaml, the policy, and lines for the
 * daemon's units, which are empty unless l->moved is set. */
void lay_config(const struct lay *l, struct buf *out);
void lay_policy(const struct lay *l, struct buf *out);
void lay_unit(const struct lay *l, struct buf *out);

#endif
