/* The text of each policy that was in force, in JOURNAL.policies beside the journal.
 *
 * A file is named VERSION-SHA256.policy.zst: the first 16 digits of the policy's version, and the
 * SHA-256 of the uncompressed contents. These are one line of JSON, then the files that the policy
 * was loaded from, one after the other:
 *
 *   {"tollgate_policy":1,"policy":"default@8f3c…","version":"8f3c…","root":"/etc/tollgate/default.yaml",
 *    "detectors":null,"files":[{"name":"/etc/tollgate/default.yaml","kind":"policy","bytes":5120}]}
 *
 * A policy that is in force again finds its file there, and only the file's time is set. Files of
 * keys, tokens, certificates and secrets are never stored, and tollgate.yaml is not either. */
#ifndef RECORD_POLICIES_KEPT_POLICY_H
#define RECORD_POLICIES_KEPT_POLICY_H

#include "base/file_set.h"
#include "base/sha256.h"

#define KEPT_POLICY_FOLDER ".policies"	  /* after the journal's path */
#define KEPT_POLICY_SUFFIX ".policy.zst" /* of the files */
#define KEPT_POLICY_NAME   112		  /* bytes of a name, with its NUL */
#define KEPT_POLICY_HEX	   (2 * SHA256_BYTES + 1)

struct kept_policy {
	const char *label, *version; /* as records have them */
	const char *root;	     /* the file or folder that tollgate.yaml named */
	const char *detectors;	     /* folder of detection rules; NULL: the files of FILE_BUILT_IN */
	struct file_set files;	     /* owns the strings above too */
	char hash[KEPT_POLICY_HEX];  /* SHA-256 of the contents, in hexadecimal */
	int64_t written_s;	     /* wall time at which it came into force last */
};

/* Stores the policy, durable on return, with kept->hash and written_s set; the other members are
 * the caller's. 0; ERR_FULL, ERR_IO, ERR_LIMIT (over KEPT_POLICY_BYTES), ERR_NOMEM with *why. */
#define KEPT_POLICY_BYTES (256u << 20)
int kept_policy_put(const char *journal, struct kept_policy *kept, struct buf *why);
/* The journals whose texts are read: those of the first are tried first. */
struct kept_places {
	const char *journal;
	const char *beside; /* the other instance's, which decides during a handover; NULL: none */
};
/* Reads the text of a version: the newest one, or with `hash` not NULL the one of that SHA-256. 0;
 * ERR_NOTFOUND: none is kept; ERR_AUTH: its bytes are not those that its name states; another
 * error. *why names the file. kept_policy_free() in any case. */
int kept_policy_get(const struct kept_places *places, const char *version, const char *hash,
	struct kept_policy *out, struct buf *why);
void kept_policy_free(struct kept_policy *kept);
/* Reads a name: its version's first 16 digits and its hash; false: it is no such name. */
bool kept_policy_name_read(
	const char *name, char version[17], char hash[KEPT_POLICY_HEX]);
/* JOURNAL.policies of a journal's path. */
void kept_policy_folder(const char *journal, struct buf *out);
/* Whether JOURNAL.policies exists, or JOURNAL itself has texts of policies. */
bool kept_policy_any(const char *journal);
/* From the bytes of a file: 0, ERR_SYNTAX, ERR_NOMEM. */
int kept_policy_read(struct span packed, struct kept_policy *out);

#endif
