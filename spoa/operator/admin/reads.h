/* Rows and parameters of the endpoints that read records. */
#ifndef OPERATOR_ADMIN_READS_H
#define OPERATOR_ADMIN_READS_H

#include "operator/admin/reader.h"

extern const struct reader read_search, read_show, read_page, read_explain, read_report,
	read_usage;
extern const struct param search_asked[], show_asked[], explain_asked[], report_asked[],
	usage_asked[];

/* Policies: the versions that were in force, the decisions of the shadow policy, and trials of
 * a text. */
extern const struct reader read_versions, read_version, read_shadow, try_check, try_decide,
	try_replay;
extern const struct param versions_asked[], version_asked[], check_asked[], decide_asked[],
	replay_asked[];

#endif
