// SPDX-License-Identifier: Apache-2.0

/// nginx's configuration. It does TLS, HTTP and the limits; what a client may have is decided behind it.
enum WebServerFiles {
    /// What tells the certificate that a client showed. A client cannot set it: nothing but what is named goes on.
    static let certificateHeader = "Martlet-Client-Certificate"

    /// Paths are relative to `directory`, the gateway's; that of the socket since the workers go there.
    static func configuration(directory: String, listen: String, port: UInt16, isRoot: Bool) -> String {
        typealias File = GatewayDirectory.File
        let listen = ListenAddress.all(listen).map { address in
            "        listen \(address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address):\(port) ssl;"
        }
        let quoted = directory.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#)
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        let pass = """
                proxy_pass http://unix:\(File.socket):;
                proxy_pass_request_headers off;
                proxy_set_header Host registrar;
                proxy_set_header Content-Type $content_type;
                proxy_set_header Authorization $http_authorization;
                proxy_set_header \(certificateHeader) $ssl_client_escaped_cert;
            """
        return """
            # Written by martlet-gateway at each start.
            daemon off;
            worker_processes 1;
            working_directory "\(quoted)";
            pid nginx.pid;
            error_log \(File.webServerLog) warn;
            \(isRoot ? "# Started by root, nginx would become a user that cannot read these files.\nuser root;" : "")
            events { worker_connections 256; }
            http {
                access_log off;
                server_tokens off;
            \(temporary.map { "    \($0)_temp_path nginx-temporary/\($0);" }.joined(separator: "\n"))
                client_max_body_size 64k;
                client_body_buffer_size 64k;
                client_header_timeout 15s;
                client_body_timeout 15s;
                send_timeout 15s;
                proxy_read_timeout 30s;
                limit_req_zone $binary_remote_addr zone=requests:1m rate=30r/s;
                limit_req_status 429;
                # No line for each: anybody could fill the disk.
                limit_req_log_level info;
                limit_conn_log_level info;
                limit_conn_zone $binary_remote_addr zone=connections:1m;
                limit_conn_status 429;
                server {
            \(listen.joined(separator: "\n"))
                    ssl_certificate \(File.registrar);
                    ssl_certificate_key \(File.registrarKey);
                    ssl_client_certificate \(File.authority);
                    # The registrar judges the certificate: one that it does not take may still come with a token.
                    ssl_verify_client optional_no_ca;
                    ssl_protocols TLSv1.2 TLSv1.3;
                    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
                    ssl_session_tickets off;
                    limit_req zone=requests burst=60 nodelay;
                    limit_conn connections 32;
                    # What optional_no_ca does not mean by itself: one that has expired.
                    error_page 495 = @registrar;
                    location / { return 404; }
                    location /.well-known/est/ {
            \(pass)
                    }
                    location @registrar {
            \(pass)
                    }
                }
            }

            """
    }
}
