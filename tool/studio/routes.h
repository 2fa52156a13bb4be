/* X(method, path, handler, access): every request of the API, with its handler studio_<handler>. {} stands for one part of the path. */
X(GET, "/api/live", live, STUDIO_READS)
