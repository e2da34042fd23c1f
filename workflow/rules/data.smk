# Archives are downloaded, checked and read into tasks and texts; the audit looks at all of
# them before any training begins. {job} is a job's name and the digest of all that decides it.


rule archive:
    output:
        ARCHIVES / "{file}",
    log:
        LOGS / "archive/{file}.log",
    benchmark:
        PATHS.benchmarks / "archive/{file}.tsv"
    wildcard_constraints:
        file="[^/]+",
    priority: lambda w: JOBS.priority("archive", w.file)
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    # One at a time: downloads share the network, and latency then finds all cores free.
    threads: os.cpu_count()
    params:
        name=lambda w: JOBS.key("archive", w.file),
    message:
        "download {params.name}"
    shell:
        "pdbench archive {params.name} > {log} 2>&1"


rule task:
    input:
        lambda w: JOBS.inputs("task", w.job),
    output:
        STORE / "task/{job}/record.json",
    log:
        LOGS / "task/{job}.log",
    benchmark:
        PATHS.benchmarks / "task/{job}.tsv"
    priority: lambda w: JOBS.priority("task", w.job)
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("task", w.job),
    message:
        "read task {params.key}"
    shell:
        "pdbench task {params.study:q} {params.key} > {log} 2>&1"


rule text:
    input:
        lambda w: JOBS.inputs("text", w.job),
    output:
        STORE / "text/{job}/record.json",
    log:
        LOGS / "text/{job}.log",
    benchmark:
        PATHS.benchmarks / "text/{job}.tsv"
    priority: lambda w: JOBS.priority("text", w.job)
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("text", w.job),
    message:
        "read text {params.key}"
    shell:
        "pdbench text {params.study:q} {params.key} > {log} 2>&1"


rule audit:
    input:
        JOBS.inputs("audit"),
    output:
        PATHS.audit,
    log:
        LOGS / "audit.log",
    benchmark:
        PATHS.benchmarks / "audit.tsv"
    priority: JOBS.priority("audit")
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "audit all data"
    shell:
        "pdbench audit {params.study:q} > {log} 2>&1"
