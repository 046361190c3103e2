/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <http_parser.h>

#include "peel_http.h"

static int
on_complete(http_parser *parser)
{
	bool *complete = parser->data;

	*complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings request_settings = {.on_message_complete = on_complete};

int
peel_http_request_check(const void *request, size_t len)
{
	http_parser parser;
	bool complete = false;

	if (len == 0 || len > PEEL_HTTP_REQUEST_MAX)
		return -EBADMSG;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &complete;
	return http_parser_execute(&parser, &request_settings, request, len) == len && complete &&
			       parser.method == HTTP_GET && parser.http_major == 1 &&
			       !parser.upgrade
		       ? 0
		       : -EBADMSG;
}
