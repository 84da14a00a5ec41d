// SPDX-License-Identifier: Apache-2.0

import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.Collection;
import java.util.Set;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/** Enrols by Bouncy Castle: HOST:PORT LABEL CA.PEM CSR.DER ID; the token on standard input. Prints the certificate. */
public class Enrol {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        String token = new String(System.in.readAllBytes()).strip();
        X509Certificate authority;
        try (var file = new FileInputStream(arguments[2])) {
            authority = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
        var trust = JcaJceUtils.getCertPathTrustManager(Set.of(new TrustAnchor(authority, null)), null);
        ESTService service = new JsseESTServiceBuilder(arguments[0], trust).withLabel(arguments[1]).build();
        Collection<X509CertificateHolder> known = service.getCACerts().getCertificateStore().getMatches(null);
        if (!known.contains(new X509CertificateHolder(authority.getEncoded()))) {
            throw new Exception("cacerts tells another authority");
        }
        var request = new PKCS10CertificationRequest(Files.readAllBytes(Path.of(arguments[3])));
        var login = new JcaHttpAuthBuilder(arguments[4], token.toCharArray()).setProvider("BC").build();
        EnrollmentResponse answer = service.simpleEnroll(false, request, login);
        for (X509CertificateHolder certificate : answer.getStore().getMatches(null)) {
            System.out.println("-----BEGIN CERTIFICATE-----");
            System.out.println(Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(certificate.getEncoded()));
            System.out.println("-----END CERTIFICATE-----");
        }
    }
}
