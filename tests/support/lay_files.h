/* HAProxy files of an operator under a root of the test's own, and `tollgate init` on them. */
#ifndef SUPPORT_LAY_FILES_H
#define SUPPORT_LAY_FILES_H

#include "support/run_cmd.h"

#define SITE                                                                                   \
	"global\n    group haproxy\ndefaults\n    mode http\n    timeout server 50s\n"          \
	"frontend web\n    bind :80\n    bind :443\n    http-request set-header x-a b\n"       \
	"    use_backend two if { path_beg /v1/messages }\n    default_backend one\n"

/* Makes the tree of files: HAProxy's configuration, and its options of /etc/default. */
void put_tree(const char *haproxy, const char *extraopts);

#define PROVIDERS                                                                              \
	"backend one\n    http-request set-header authorization \"Bearer x\"\n"                \
	"    server a api.openai.com:443\nbackend two\n    http-request set-header x-api-key " \
	"x\n    server a api.anthropic.com:443\nbackend site\n    server a :1\n"
#define INIT(...)                                                                              \
	tollgate("", "init", "--root", dir, "--haproxy-binary", "/bin/true", "--close-others",  \
		__VA_ARGS__, NULL)

#endif
