/* The files that an order was given for: the SHA-256 of every file that a load read. `tollgate
 * policy apply` and the console send these with an order, and the daemon refuses an order if it
 * reads other contents. A file that was saved after the check therefore never comes into force
 * unseen.
 *
 *   {"files": {NAME: SHA-256}, "shadow": {…}, "configuration": {…},
 *    "detectors": {"from": FOLDER, "files": {…}}}
 *
 * A name is relative to the policy's folder if the file is inside it, because two daemons may
 * see the same folder under different paths. Other names are absolute, without links. Files of
 * keys and time zones are not included. */
#ifndef POLICY_CHECKED_H
#define POLICY_CHECKED_H

#include <jansson.h>

#include "base/codec/yaml.h"
#include "base/file_set.h"

struct config;

/* Returns the object above for the files of a load under this configuration, owned by the
 * caller. Returns NULL if memory is exhausted. */
json_t *checked_files(const struct file_set *read, const struct config *cfg);
/* Returns true if the daemon read what was checked: `order` is what checked_files() returned
 * where the check was made, and `read` what the daemon read. Adds a mistake to *d for each file
 * that differs, is missing or was added.
 *
 * If the check was made under another tollgate.yaml, as for another daemon of the group, then
 * tollgate.yaml and the shadow policy are not compared, and detection rules are compared only
 * if both have the same folder. `order` may be any JSON. */
bool checked_same(const json_t *order, const struct file_set *read, const struct config *cfg,
	struct diag *d);

#endif
