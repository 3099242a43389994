/* The table of tollgate.yaml's options: feeds parsing, defaults, the manual and the schema. */
#ifndef POLICY_CONFIG_OPTIONS_H
#define POLICY_CONFIG_OPTIONS_H

#include "policy/config/fields.h"

/* Kinds besides those of enum field_kind. */
enum option_kind {
	OPTION_NODE = FIELD_KINDS,
	OPTION_NAMES,
	OPTION_WORKERS,
	OPTION_ADDRS,
	OPTION_UNIX,
	OPTION_TCP,
	OPTION_CREDENTIALS,
	OPTION_ANCHORS,
	OPTION_LIST, /* of the mappings of `of`: fields_list() */
	OPTION_OTLP,
	OPTION_ADMIN_TLS,
	OPTION_ADMIN_USERS,
	OPTION_EVENTS,
};

extern const struct field config_options[];
extern const size_t config_option_count;

#endif
