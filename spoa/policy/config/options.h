/* The table of tollgate.yaml's options. Parsing, defaults, the manual and the schema use it. */
#ifndef POLICY_CONFIG_OPTIONS_H
#define POLICY_CONFIG_OPTIONS_H

#include "policy/config/fields.h"

/* Kinds of values that only tollgate.yaml has, in addition to enum field_kind. */
enum option_kind {
	OPTION_NODE = FIELD_KINDS,
	OPTION_NAMES,
	OPTION_WORKERS,
	OPTION_ADDRS,
	OPTION_UNIX,
	OPTION_TCP,
	OPTION_CREDENTIALS,
	OPTION_ANCHORS,
	OPTION_LIST, /* a list of mappings of section `of`, read by fields_list() */
	OPTION_OTLP,
	OPTION_ADMIN_TLS,
	OPTION_ADMIN_USERS,
	OPTION_EVENTS,
};

extern const struct field config_options[];
extern const size_t config_option_count;

#endif
