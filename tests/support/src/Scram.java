import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;

/** Scram bootstrap user password: gives the user this password for both SCRAMs, and waits until the broker knows it. */
public class Scram {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(settings)) {
            int iterations = 4096 + (args[2].hashCode() & 0xfff);
            for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
                ScramCredentialInfo info = new ScramCredentialInfo(mechanism, iterations);
                admin.alterUserScramCredentials(
                    List.of(new UserScramCredentialUpsertion(args[1], info, args[2]))).all().get();
            }
            while (!isKnown(admin, args[1], iterations)) {
                Thread.sleep(20);
            }
        }
    }

    private static boolean isKnown(Admin admin, String user, int iterations) throws Exception {
        try {
            var infos = admin.describeUserScramCredentials(List.of(user)).description(user).get().credentialInfos();
            return infos.size() == 2 && infos.stream().allMatch(info -> info.iterations() == iterations);
        } catch (ExecutionException unknownYet) {
            return false;
        }
    }
}
