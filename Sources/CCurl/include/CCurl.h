// SPDX-License-Identifier: Apache-2.0
//
// libcurl, loaded when it is first needed: a program that never uses HTTPS does not have it in memory, and a board
// without it runs everything else. Types and numbers are those of the installed header; no function of it is linked.

#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

/// In libcurl 7.88 of an enumeration, in 8.14 a number.
static const long CCurl_netrc_ignored = CURL_NETRC_IGNORED;

enum CCurl_library {
    CCURL_LOADED = 0,
    /// There is no libcurl.so.4, or it does not have the functions of libcurl.
    CCURL_MISSING = 1,
    /// It has another TLS library than the OpenSSL that this program has, or cannot start.
    CCURL_UNSUITABLE = 2,
};

/// Loads and starts libcurl at the first call, from any thread. Everything below needs CCURL_LOADED.
enum CCurl_library CCurl_load(void);

CURL *CCurl_new(void);
void CCurl_reset(CURL *handle);
CURLcode CCurl_perform(CURL *handle);
void CCurl_free(CURL *handle);

/// libcurl's own functions for this are variadic. A pointer is lent until `CCurl_reset`; texts are copied.
CURLcode CCurl_set_long(CURL *handle, CURLoption option, long value);
CURLcode CCurl_set_pointer(CURL *handle, CURLoption option, const void *value);
CURLcode CCurl_set_data(CURL *handle, CURLoption option, curl_write_callback function);
CURLcode CCurl_set_progress(CURL *handle, curl_xferinfo_callback function);
CURLcode CCurl_set_ssl_context(CURL *handle, curl_ssl_ctx_callback function);

/// 0 if libcurl does not know it.
long CCurl_get_long(CURL *handle, CURLINFO info);

/// The list with a copy of `text` at its end; NULL, and the list as it was, without memory.
struct curl_slist *CCurl_append(struct curl_slist *list, const char *text);
void CCurl_free_list(struct curl_slist *list);

#endif
