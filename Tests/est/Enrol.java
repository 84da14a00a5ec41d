// SPDX-License-Identifier: Apache-2.0

import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/**
 * Enrols by Bouncy Castle: HOST:PORT LABEL CA.PEM CSR.DER ID, the token on standard input; or with CERTIFICATE.PEM and
 * KEY.DER (PKCS #8) in the place of ID, renews. Prints the certificate.
 */
public class Enrol {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        X509Certificate authority = read(arguments[2]);
        var trust = JcaJceUtils.getCertPathTrustManager(Set.of(new TrustAnchor(authority, null)), null);
        var builder = new JsseESTServiceBuilder(arguments[0], trust);
        builder.withLabel(arguments[1]);
        boolean renews = arguments.length > 5;
        if (renews) {
            var key = new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(arguments[5])));
            var store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("own", KeyFactory.getInstance("EC").generatePrivate(key), new char[0],
                    new Certificate[] {read(arguments[4])});
            var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, new char[0]);
            builder.withKeyManagers(keys.getKeyManagers());
        }
        ESTService service = builder.build();
        Collection<X509CertificateHolder> known = service.getCACerts().getCertificateStore().getMatches(null);
        if (!known.contains(new X509CertificateHolder(authority.getEncoded()))) {
            throw new Exception("cacerts tells another authority");
        }
        var request = new PKCS10CertificationRequest(Files.readAllBytes(Path.of(arguments[3])));
        EnrollmentResponse answer;
        if (renews) {
            answer = service.simpleEnroll(true, request, null);
        } else {
            String token = new String(System.in.readAllBytes()).strip();
            var login = new JcaHttpAuthBuilder(arguments[4], token.toCharArray()).setProvider("BC").build();
            answer = service.simpleEnroll(false, request, login);
        }
        for (X509CertificateHolder certificate : answer.getStore().getMatches(null)) {
            System.out.println("-----BEGIN CERTIFICATE-----");
            System.out.println(Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(certificate.getEncoded()));
            System.out.println("-----END CERTIFICATE-----");
        }
    }

    private static X509Certificate read(String path) throws Exception {
        try (var file = new FileInputStream(path)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
    }
}
