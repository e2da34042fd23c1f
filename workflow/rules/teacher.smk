# The teacher of each task, and its soft labels, once for each text.


rule teacher:
    input:
        lambda w: JOBS.inputs("teacher", w.job),
    output:
        STORE / "teacher/{job}/record.json",
    log:
        LOGS / "teacher/{job}.log",
    benchmark:
        PATHS.benchmarks / "teacher/{job}.tsv"
    priority: lambda w: JOBS.priority("teacher", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("teacher", w.job),
    message:
        "fine-tune the teacher of {params.key}"
    shell:
        "exec pdbench teacher {params.study:q} {params.key} --threads {threads} > {log} 2>&1"


rule soft_labels:
    input:
        lambda w: JOBS.inputs("soft_labels", w.job),
    output:
        STORE / "soft_labels/{job}/record.json",
    log:
        LOGS / "soft_labels/{job}.log",
    benchmark:
        PATHS.benchmarks / "soft_labels/{job}.tsv"
    priority: lambda w: JOBS.priority("soft_labels", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("soft_labels", w.job),
    message:
        "label by the teacher: {params.key}"
    shell:
        "exec pdbench soft-labels {params.study:q} {params.key} --threads {threads} > {log} 2>&1"
