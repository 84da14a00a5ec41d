// SPDX-License-Identifier: Apache-2.0

/// nginx's configuration. It does TLS, HTTP and the limits; what a client may have is decided behind it.
enum WebServerFiles {
    /// What tells the certificate that a client showed. A client cannot set it: nothing but what is named goes on.
    static let certificateHeader = "Martlet-Client-Certificate"
    /// The common name of a gateway in front of the endpoint, whose word is taken for the certificate of a device.
    static let edge = "edge"
    /// Seconds after which one who asks too often may come again.
    static let pause = 5

    /// Paths are relative to `directory`, the gateway's; that of a socket since the workers go there. A port that is nil:
    /// that server is not to run.
    static func configuration(
        directory: String, listen: String, registrar: UInt16?, https: UInt16?, isRoot: Bool
    ) -> String {
        typealias File = GatewayDirectory.File
        let quoted = directory.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#)
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        return """
            # Written by martlet-gateway at each start.
            daemon off;
            worker_processes 1;
            working_directory "\(quoted)";
            pid nginx.pid;
            error_log \(File.webServerLog) warn;
            \(isRoot ? "# Started by root, nginx would become a user that cannot read these files.\nuser root;" : "")
            events { worker_connections 1024; }
            http {
                access_log off;
                server_tokens off;
            \(temporary.map { "    \($0)_temp_path nginx-temporary/\($0);" }.joined(separator: "\n"))
                client_max_body_size 64k;
                client_body_buffer_size 64k;
                client_header_timeout 15s;
                client_body_timeout 15s;
                send_timeout 15s;
                proxy_pass_request_headers off;
                limit_req_status 429;
                # No line for each: anybody could fill the disk.
                limit_req_log_level info;
                limit_conn_log_level info;
                limit_conn_status 429;
                ssl_certificate \(File.registrar);
                ssl_certificate_key \(File.registrarKey);
                ssl_client_certificate \(File.authority);
                ssl_protocols TLSv1.2 TLSv1.3;
                ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
                ssl_session_tickets off;
            \(registrar.map { registrarServer(listen, $0) } ?? "")\(https.map { exchangeServer(listen, $0) } ?? "")}

            """
    }

    private static func listeners(_ listen: String, _ port: UInt16) -> String {
        ListenAddress.all(listen).map { address in
            "        listen \(address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address):\(port) ssl http2;"
        }.joined(separator: "\n")
    }

    private static func registrarServer(_ listen: String, _ port: UInt16) -> String {
        let pass = """
                proxy_pass http://unix:\(GatewayDirectory.File.registrarSocket):;
                proxy_set_header Host registrar;
                proxy_set_header Content-Type $content_type;
                proxy_set_header Authorization $http_authorization;
                proxy_set_header \(certificateHeader) $ssl_client_escaped_cert;
            """
        return """
                limit_req_zone $binary_remote_addr zone=requests:1m rate=30r/s;
                limit_conn_zone $binary_remote_addr zone=connections:1m;
                server {
            \(listeners(listen, port))
                    # The registrar judges the certificate: one that it does not take may still come with a token.
                    ssl_verify_client optional_no_ca;
                    proxy_read_timeout 30s;
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

            """
    }

    private static func exchangeServer(_ listen: String, _ port: UInt16) -> String {
        """
            # Which device it is: whoever shows its certificate, or whom the edge has seen.
            # Strings would match in any case.
            map $ssl_client_s_dn $device_certificate {
                default $ssl_client_escaped_cert;
                "~^CN=\(edge)$" $http_martlet_client_certificate;
            }
            # One device; the edge has limits of its own.
            map $ssl_client_s_dn $device_key {
                default $ssl_client_s_dn;
                "~^CN=\(edge)$" '';
            }
            limit_req_zone $device_key zone=exchanges:1m rate=10r/s;
            limit_conn_zone $device_key zone=held:1m;
            server {
        \(listeners(listen, port))
                ssl_verify_client on;
                # An answer may be held for a minute.
                proxy_read_timeout 75s;
                limit_req zone=exchanges burst=30 nodelay;
                limit_conn held 4;
                error_page 429 = @busy;
                error_page 495 496 = @stranger;
                error_page 502 504 = @away;
                location / { return 404; }
                location /\(BrokerFiles.prefix)/ {
                    proxy_pass http://unix:\(GatewayDirectory.File.exchangeSocket):;
                    proxy_set_header Host exchange;
                    proxy_set_header Content-Type $content_type;
                    proxy_set_header Authorization $http_authorization;
                    proxy_set_header \(certificateHeader) $device_certificate;
                }
                location @busy {
                    add_header Retry-After \(pause) always;
                    return 429;
                }
                location @stranger { return 403; }
                location @away {
                    add_header Retry-After \(pause) always;
                    return 503;
                }
            }

        """
    }
}
