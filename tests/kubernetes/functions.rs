//! The templates of the tests' functions.

use std::{fs, path::Path};

/// What `templates/jobs/*.yaml` are: accepted where restricted pod security is enforced.
const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: { annotations: { note: '{{ NOTE | default(value=\"none\") }}' } }
spec:
  suspend: SUSPEND
  template:
    spec:
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: RuntimeDefault } }
      volumes: [{ name: state, emptyDir: {} }, { name: key, secret: { secretName: key } }]
      containers:
        - name: function
          image: '{{ IMAGE }}'
          command: [zeebe2faas-runner]
          env:
            - { name: RUNNER_FUNCTION, value: guarded }
            - { name: RUNNER_ALLOW, value: sh }
            - { name: RUNNER_STATE_DIR, value: /state }
            - { name: RUNNER_KEY_FILE, value: /keys/key }
            - { name: RUNNER_TELL_FOR, value: 1s }
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
          volumeMounts: [{ name: state, mountPath: /state }, { name: key, mountPath: /keys }]
";
const EVERYTHING: &str = "
apiVersion: batch/v1
kind: Job
metadata: { labels: { kueue.x-k8s.io/queue-name: eo } }
spec:
  suspend: true
  podFailurePolicy: { rules: [{ action: FailJob, onExitCodes: { operator: In, values: [42] } }] }
  template:
    metadata: { labels: { dataset.0.id: products, dataset.0.useas: mount } }
    spec:
      nodeSelector: { zone: '{{ ZONE }}' }
      tolerations: [{ key: nvidia.com/gpu, operator: Exists, effect: NoSchedule }]
      serviceAccountName: default
      terminationGracePeriodSeconds: 60
      securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: { type: RuntimeDefault } }
      volumes:
        - { name: data, persistentVolumeClaim: { claimName: eo-data } }
        - { name: huge, emptyDir: { medium: HugePages } }
      containers:
        - name: function
          image: any
          resources:
            requests: { cpu: 1, memory: 1Gi }
            limits: { nvidia.com/gpu: 1, rdma/hca: 2, hugepages-2Mi: 64Mi, memory: 1Gi, ephemeral-storage: 1Gi }
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
          volumeMounts: [{ name: data, mountPath: /data }, { name: huge, mountPath: /dev/hugepages }]
";
/// Its Job is accepted, its pod is not.
const PRIVILEGED: &str = "
apiVersion: batch/v1
kind: Job
spec: { template: { spec: { containers: [{ name: function, image: any }] } } }
";
const EVERYTHING_CALLED: &str = "function = 'everything'\nmemory = '2Gi'\ncores = 3\ncommand = 'prog \"a b\"'\n";
const HUNGRY: &str = "function = 'plain'\nexecutor = 'kubernetes-job'\nmemory = ['1Gi', '4Gi']\ncommand = 'prog'\n";

/// The project's own, as Jobs, and those of the functions here.
pub fn write(folder: &Path) {
    let jobs = folder.join("jobs");
    fs::create_dir_all(&jobs).expect("a folder");
    for (function, suspend) in [("guarded", "false"), ("plain", "false"), ("queued", "true")] {
        fs::write(jobs.join(format!("{function}.yaml")), JOB.replace("SUSPEND", suspend)).expect("a file");
    }
    fs::write(jobs.join("everything.yaml"), EVERYTHING).expect("a file");
    fs::write(jobs.join("privileged.yaml"), PRIVILEGED).expect("a file");
    fs::write(folder.join("everything.toml"), EVERYTHING_CALLED).expect("a file");
    fs::write(folder.join("hungry.toml"), HUNGRY).expect("a file");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates");
    for name in ["bundle-to-perfect-sensor", "ortho-rectification", "normalize-product"] {
        let text = fs::read_to_string(shipped.join(format!("{name}.toml"))).expect("a template");
        let text = format!("executor = \"kubernetes-job\"\n{text}");
        fs::write(folder.join(format!("{name}.toml")), text).expect("a file");
    }
    for name in ["otbcli.yaml", "normalize-product.yaml"] {
        fs::copy(shipped.join("jobs").join(name), jobs.join(name)).expect("a file");
    }
}
