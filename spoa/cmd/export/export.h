/* The state of `tollgate audit export`, which its files share: formats, output, records and
 * positions. */
#ifndef CMD_EXPORT_EXPORT_H
#define CMD_EXPORT_EXPORT_H

#include <jansson.h>

#include "base/sha256.h"
#include "cmd/records/audit.h"
#include "cmd/search/search.h"
#include "record/proof/export.h"

#define EXPORT_WHAT "audit export"

/* ---- formats ---- */

/* A record that is exported. Valid during one call. */
struct export_record {
	struct span line; /* the record's bytes, without the newline */
	const struct chain_line *l;
	const json_t *json;		 /* NULL if the format does not need it */
	char hash[2 * SHA256_BYTES + 1]; /* the record's hash in the chain, in hexadecimal digits */
};

/* A row of the table of formats. */
struct export_format {
	const char *name;
	bool json;	  /* needs the record as JSON */
	bool with_octets; /* --octets may put the length before each message */
	/* Writes the head of the output; NULL: the format has none. */
	void (*begin)(struct buf *out);
	/* Appends the record, without `end`. */
	void (*record)(struct buf *out, const struct export_record *r);
	const char *end; /* the end of each record */
};
extern const struct export_format export_formats[];
extern const size_t export_formats_count;
/* Appends a quoted cell of CSV. A spreadsheet never takes the text for a formula. */
void export_cell(struct buf *out, struct span text);

/* ---- the output ---- */

/* Standard output, or a file that gets its name only when it is complete. Owned by the
 * command; closed by export_out_close(). */
struct export_out {
	int fd, dirfd;		 /* dirfd -1: standard output */
	const char *path, *name; /* the path as given; the file's name in its folder */
	bool begun;		 /* a temporary file exists */
	struct buf text;	 /* bytes that are not yet written */
	struct sha256 hash;
	uint64_t bytes; /* written bytes and bytes in `text` */
};
/* Opens the output; `path` NULL means standard output. Returns 0, or an exit code after a
 * message. */
int export_out_open(struct export_out *o, const char *path);
/* Writes `text` when it is large, or in any case with `all`. Returns 0, or an exit code
 * after a message. */
int export_out_write(struct export_out *o, bool all);
void export_out_close(struct export_out *o); /* deletes a file that was not placed */

/* ---- records ---- */

/* The exported records of one node. */
struct export_chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first, last, records;
	unsigned char head[SHA256_BYTES];
	struct buf note; /* the note of the newest checkpoint, as JSON */
};

/* One export. Owned by audit_export(). */
struct export
{
	struct query from;
	const struct export_format *format;
	bool octets;
	struct search q;  /* the terms that select records */
	bool filtered;	  /* `q` has terms */
	const char *path; /* --out; NULL: standard output */
	const char *key,
		*passphrase; /* the key that signs the manifest; NULL: the daemon signs */
	const char *position;
	bool skip_missing;
	struct export_out out;
	/* the lines of the commit that is being read */
	struct buf pending;
	/* facts for the manifest, about the exported records */
	struct export_chain *chain;
	size_t nchains;
	json_t *types;
	json_t *policies; /* by the first 16 digits of a version: true if its text was copied */
	uint64_t records;
	uint64_t strange; /* number of omitted lines, which are no signed records */
	int code;	  /* exit code of the first failure; 0: none */
};

/* For tests, which set smaller values: the number of turns in which a missing record may
 * still appear, and the bytes that are written at most before the position is saved. */
extern unsigned export_tries;
extern uint64_t export_save_bytes;
/* Adds an exported record to the facts for the manifest. */
void export_count(
	struct export *e, const struct chain_line *l, const unsigned char hash[SHA256_BYTES]);
/* Gives the output file and its manifest their names. Returns 0, or an exit code after a
 * message. */
int export_place(struct export *e);
/* Checks that the manifest can be signed, before all records are read. Returns 0, or an
 * exit code after a message. */
int export_signer_there(struct export *e);

/* ---- the position ---- */

#define EXPORT_POSITION_MAX (64u << 10)
#define EXPORT_NODES_MAX    256

/* How far a continued export is: for each node, the last exported record. */
struct export_position {
	char format[16];
	size_t n;
	struct export_reached {
		char node[CHAIN_NODE_MAX + 1];
		uint64_t seq; /* the last record that is written */
		unsigned char hash[SHA256_BYTES];
	} at[EXPORT_NODES_MAX];
	/* If the output is a file: which file, and its length up to that record. */
	bool file;
	uint64_t device, inode, bytes;
};
/* Parses a position. Returns 0, or ERR_SYNTAX with *why. */
int export_position_read(struct span text, struct export_position *out, struct buf *why);
void export_position_write(const struct export_position *p, struct buf *out);

#endif
