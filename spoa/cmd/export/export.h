/* tollgate audit export: the parts that share an export. */
#ifndef CMD_EXPORT_EXPORT_H
#define CMD_EXPORT_EXPORT_H

#include <jansson.h>

#include "base/sha256.h"
#include "cmd/records/audit.h"
#include "cmd/search/search.h"
#include "record/proof/export.h"

#define EXPORT_WHAT "audit export"

/* ---- formats ---- */

struct export_record {
	struct span line; /* its bytes, without the newline */
	const struct chain_line *l;
	const json_t *json;		 /* of the formats that need it */
	char hash[2 * SHA256_BYTES + 1]; /* in the chain */
};

struct export_format {
	const char *name;
	bool json;	  /* needs the record as JSON */
	bool with_octets; /* can be framed by length */
	/* What the output begins with; NULL: nothing. */
	void (*begin)(struct buf *out);
	/* Appends the record, without the end of its line. */
	void (*record)(struct buf *out, const struct export_record *r);
	const char *end; /* of a line */
};
extern const struct export_format export_formats[];
extern const size_t export_formats_count;
/* One event of OCSF. */
void export_ocsf(struct buf *out, const struct export_record *r);
/* A cell of CSV, quoted: nothing in it is a formula to a spreadsheet. */
void export_cell(struct buf *out, struct span text);

/* ---- where it goes ---- */

/* Standard output, or a file that has its name when it is whole. */
struct export_out {
	int fd, dirfd;		 /* dirfd -1: standard output */
	const char *path, *name; /* the file, and it in its folder */
	bool begun;		 /* it is aside */
	struct buf text;	 /* not yet written */
	struct sha256 hash;
	uint64_t bytes; /* written and not yet */
};
/* Each: 0, or an exit code after a message. `path` NULL: standard output. */
int export_out_open(struct export_out *o, const char *path);
/* Writes where there is much, or `all` of it. */
int export_out_write(struct export_out *o, bool all);
/* The folder of a path, opened; *name: the file in it. Negative after a message. */
int export_folder(const char *path, const char **name);
void export_out_close(struct export_out *o); /* what is not placed is gone */

/* ---- records ---- */

/* What was exported of a node. */
struct export_chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first, last, records;
	unsigned char head[SHA256_BYTES];
	struct buf note; /* the newest checkpoint's, as JSON */
};

struct export
{
	struct query from;
	const struct export_format *format;
	bool octets;
	struct search q;	      /* terms */
	bool filtered;		      /* there are terms */
	const char *path;	      /* --out */
	const char *key, *passphrase; /* that signs the manifest; NULL: the daemon */
	const char *position;
	bool skip_missing;
	struct export_out out;
	/* of the commit under way */
	struct buf pending;
	/* what was exported */
	struct export_chain *chain;
	size_t nchains;
	json_t *types;
	json_t *policies; /* by the first 16 digits of a version: whether its text was copied */
	uint64_t records;
	uint64_t strange; /* lines left out, which are no signed records */
	int code;	  /* the first failure */
};

/* The first failure counts; code 0: none. */
void export_failed(struct export *e, int code);
/* A record that is wanted goes out. */
void export_put(struct export *e, struct span line, const struct chain_line *l);
bool export_wanted(const struct export *e, struct span line);
/* Turns in which a record that is missing may still come, and bytes that are written at most
 * before the position is; tests have fewer. */
extern unsigned export_tries;
extern uint64_t export_save_bytes;
/* Follows the journal from the position on. EXIT_… */
int export_follow(struct export *e, bool follow);
/* The manifest of what went out, signed; 0 and the line in *out, or an exit code after a
 * message. */
int export_manifest(struct export *e, const unsigned char hash[SHA256_BYTES], struct buf *out);
/* What the manifest says of a record that went out. */
void export_count(
	struct export *e, const struct chain_line *l, const unsigned char hash[SHA256_BYTES]);
/* The file that e->out has, with its manifest. 0, or an exit code after a message. */
int export_place(struct export *e);
/* Whether somebody will sign: asked before all is read. */
int export_signer_there(struct export *e);

/* ---- how far a follower is ---- */

#define EXPORT_POSITION_MAX (64u << 10)
#define EXPORT_NODES_MAX    256

struct export_position {
	char format[16];
	size_t n;
	struct export_reached {
		char node[CHAIN_NODE_MAX + 1];
		uint64_t seq; /* the last record that is written; */
		unsigned char hash[SHA256_BYTES];
	} at[EXPORT_NODES_MAX];
	/* Where the output is a file: which, and how long it is with them. */
	bool file;
	uint64_t device, inode, bytes;
};
/* 0, or ERR_SYNTAX with *why. */
int export_position_read(struct span text, struct export_position *out, struct buf *why);
void export_position_write(const struct export_position *p, struct buf *out);

#endif
