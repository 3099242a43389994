/* The text of each policy that was in force, in the folder JOURNAL.policies next to the
 * journal.
 *
 * A file is named VERSION-SHA256.policy.zst: the first 16 digits of the policy's version, and
 * the SHA-256 of the uncompressed contents. The contents are one line of JSON, then the files
 * that the policy was loaded from, one after the other:
 *
 *   {"tollgate_policy":1,"policy":"default@8f3c…","version":"8f3c…","root":"/etc/tollgate/default.yaml",
 *    "detectors":null,"files":[{"name":"/etc/tollgate/default.yaml","kind":"policy","bytes":5120}]}
 *
 * If a policy comes into force again, its file exists already, and only the time of the file
 * is set. Files of keys, tokens, certificates and secrets are never stored. tollgate.yaml is
 * not stored either. */
#ifndef RECORD_POLICIES_KEPT_POLICY_H
#define RECORD_POLICIES_KEPT_POLICY_H

#include "base/file_set.h"
#include "base/sha256.h"

struct config;

#define KEPT_POLICY_FOLDER ".policies"	 /* suffix of the journal's path */
#define KEPT_POLICY_SUFFIX ".policy.zst" /* suffix of the files */
#define KEPT_POLICY_NAME   112		 /* bytes of a name, with its NUL */
#define KEPT_POLICY_HEX	   (2 * SHA256_BYTES + 1)

struct kept_policy {
	const char *label, *version; /* label and version as records state them */
	const char *root;	     /* the file or folder that tollgate.yaml names */
	const char *detectors; /* folder of detection rules; NULL: the files of FILE_BUILT_IN */
	struct file_set files; /* also owns the strings above */
	char hash[KEPT_POLICY_HEX]; /* SHA-256 of the contents, in hexadecimal */
	/* seconds since 1970: when the policy last came into force or was confirmed, by the
	 * file's time */
	int64_t written_s;
};

/* Stores the policy durably and sets kept->hash. The caller has set label, version, root,
 * detectors and files. Returns 0, or ERR_FULL, ERR_IO, ERR_LIMIT (over KEPT_POLICY_BYTES) or
 * ERR_NOMEM with the reason in *why. */
#define KEPT_POLICY_BYTES (256u << 20)
int kept_policy_put(const char *journal, struct kept_policy *kept, struct buf *why);
/* The journals whose kept policies are read; `journal` is tried first. */
struct kept_places {
	const char *journal;
	/* the journal of this daemon's other instance; NULL: none */
	const char *other;
	/* the journals of other daemons, which only kept_policy_get() reads, nothers */
	const char *const *others;
	size_t nothers;
};
/* The places of this configuration, without other daemons. They point into it. */
struct kept_places kept_places_of(const struct config *cfg);
/* Reads the text of a version: the newest one, or the one with the SHA-256 `hash` if that is
 * not NULL. Returns 0, ERR_NOTFOUND (not kept), ERR_AUTH (the contents do not match the
 * file's name) or another error, with the reason in *why, which names the file. Call
 * kept_policy_free() in any case. */
int kept_policy_get(const struct kept_places *places, const char *version, const char *hash,
	struct kept_policy *out, struct buf *why);
/* ---- the text in force ----
 *
 * JOURNAL.policies/in-force.json names the text that an instance put in force last:
 *
 *   {"tollgate_in_force":1,"serial":7,"version":"8f3c…","text":SHA-256}
 *
 * A start takes this text, not the policy's files, which somebody may have saved without an
 * order. Of the files of two instances, the one with the higher serial counts. */
#define KEPT_POLICY_IN_FORCE "in-force.json"

/* States durably that this text, which kept_policy_put() has stored in places->journal, is in
 * force. Returns 0, or an error with *why. Call only in the instance that decides. */
int kept_policy_mark(const struct kept_places *places, const char *version, const char *hash,
	struct buf *why);
/* Reads the text that was in force last, as kept_policy_get(). ERR_NOTFOUND: none was in force
 * (out->version is NULL), or its text is missing (out->version is its version, until
 * kept_policy_free()). Call kept_policy_free() in any case. */
int kept_policy_last(const struct kept_places *places, struct kept_policy *out, struct buf *why);

/* Frees the strings and files and zeroes *kept. */
void kept_policy_free(struct kept_policy *kept);
/* Parses a file name into the first 16 digits of the version and the hash. Returns false if
 * the name has another form. */
bool kept_policy_name_read(const char *name, char version[17], char hash[KEPT_POLICY_HEX]);
/* Appends the path of JOURNAL.policies for the path of a journal. */
void kept_policy_folder(const char *journal, struct buf *out);
/* Returns true if JOURNAL.policies exists, or if JOURNAL itself has kept policies. */
bool kept_policy_any(const char *journal);
/* Parses the bytes of a file. Returns 0, ERR_SYNTAX or ERR_NOMEM. Call kept_policy_free() in
 * any case. */
int kept_policy_read(struct span packed, struct kept_policy *out);

#endif
