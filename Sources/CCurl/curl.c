// SPDX-License-Identifier: Apache-2.0

#include "CCurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static struct {
    __typeof__(&curl_global_init) global_init;
    __typeof__(&curl_version_info) version_info;
    __typeof__(&curl_easy_init) init;
    __typeof__(&curl_easy_reset) reset;
    __typeof__(&curl_easy_perform) perform;
    __typeof__(&curl_easy_cleanup) cleanup;
    __typeof__(&curl_easy_setopt) setopt;
    __typeof__(&curl_easy_getinfo) getinfo;
    __typeof__(&curl_slist_append) append;
    __typeof__(&curl_slist_free_all) free_all;
} library;

static enum CCurl_library state;

static void load(void) {
    // It stays for the life of the process: threads of its resolver may outlive every handle.
    void *file = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    state = CCURL_MISSING;
    if (file == NULL) return;
#define FIND(field, name) \
    if ((*(void **)&library.field = dlsym(file, name)) == NULL) return
    FIND(global_init, "curl_global_init");
    FIND(version_info, "curl_version_info");
    FIND(init, "curl_easy_init");
    FIND(reset, "curl_easy_reset");
    FIND(perform, "curl_easy_perform");
    FIND(cleanup, "curl_easy_cleanup");
    FIND(setopt, "curl_easy_setopt");
    FIND(getinfo, "curl_easy_getinfo");
    FIND(append, "curl_slist_append");
    FIND(free_all, "curl_slist_free_all");
    // What it hands out as TLS context must be one of the OpenSSL that this program uses: libssl.so.3.
    state = CCURL_UNSUITABLE;
    const char *ssl = library.version_info(CURLVERSION_NOW)->ssl_version;
    if (ssl == NULL || strncmp(ssl, "OpenSSL/3.", strlen("OpenSSL/3.")) != 0) return;
    if (library.global_init(CURL_GLOBAL_ALL) == CURLE_OK) state = CCURL_LOADED;
}

enum CCurl_library CCurl_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return state;
}

CURL *CCurl_new(void) { return library.init(); }
void CCurl_reset(CURL *handle) { library.reset(handle); }
CURLcode CCurl_perform(CURL *handle) { return library.perform(handle); }
void CCurl_free(CURL *handle) { library.cleanup(handle); }

CURLcode CCurl_set_long(CURL *handle, CURLoption option, long value) {
    return library.setopt(handle, option, value);
}

CURLcode CCurl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return library.setopt(handle, option, value);
}

CURLcode CCurl_set_data(CURL *handle, CURLoption option, curl_write_callback function) {
    return library.setopt(handle, option, function);
}

CURLcode CCurl_set_progress(CURL *handle, curl_xferinfo_callback function) {
    return library.setopt(handle, CURLOPT_XFERINFOFUNCTION, function);
}

CURLcode CCurl_set_ssl_context(CURL *handle, curl_ssl_ctx_callback function) {
    return library.setopt(handle, CURLOPT_SSL_CTX_FUNCTION, function);
}

long CCurl_get_long(CURL *handle, CURLINFO info) {
    long value = 0;
    return library.getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}

struct curl_slist *CCurl_append(struct curl_slist *list, const char *text) { return library.append(list, text); }
void CCurl_free_list(struct curl_slist *list) { library.free_all(list); }
